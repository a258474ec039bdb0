"""`ortprobe pack`, run as a command: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from captures import DATA
from commands import ortprobe

CAPTURE = DATA / "h100-examples" / "missing-wait.ortprobe"


def run(*words: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = ortprobe(*words, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return shutil.copytree(CAPTURE, tmp_path / "app.ortprobe")


def test_a_capture_is_packed_beside_itself_and_reported_by_somebody_else(bundle: Path, tmp_path: Path) -> None:
    done = run("pack", "app.ortprobe", cwd=tmp_path)
    assert done.stdout == ""
    assert "packed app.ortprobe.zip (" in done.stderr
    assert "ortprobe report app.ortprobe.zip" in done.stderr.splitlines()[-1]
    elsewhere = tmp_path / "colleague"
    elsewhere.mkdir()
    (tmp_path / "app.ortprobe.zip").rename(elsewhere / "got.zip")
    there = run("report", "got.zip", "--format", "json", cwd=elsewhere)
    here = run("report", "app.ortprobe", "--format", "json", cwd=tmp_path)
    assert json.loads(there.stdout) == json.loads(here.stdout)
    assert run("report", "got.zip", cwd=elsewhere).stdout == run("report", "app.ortprobe", cwd=tmp_path).stdout
    run("report", "got.zip", "--format", "html", cwd=elsewhere)
    assert sorted(path.name for path in elsewhere.iterdir()) == ["got.html", "got.zip"]


def test_what_is_left_out_is_said(bundle: Path, tmp_path: Path) -> None:
    (bundle / "weights.onnx").write_text("secret")
    done = run("pack", bundle, "-o", "sent.zip", cwd=tmp_path)
    assert "left out weights.onnx" in done.stderr
    assert b"secret" not in (tmp_path / "sent.zip").read_bytes()


def test_a_capture_of_a_killed_program_is_packed_and_called_incomplete(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"ending": None}))
    assert "not complete" in run("pack", bundle, cwd=tmp_path).stderr


def test_an_existing_file_stays_unless_forced(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "app.ortprobe.zip").write_text("mine")
    refused = run("pack", bundle, cwd=tmp_path, code=2)
    assert "--force" in refused.stderr
    assert (tmp_path / "app.ortprobe.zip").read_text() == "mine"
    run("pack", bundle, "--force", cwd=tmp_path)
    run("report", "app.ortprobe.zip", cwd=tmp_path)


REFUSED = {
    "missing": (["nowhere.ortprobe"], "nowhere.ortprobe"),
    "no bundle": (["empty"], "no ortprobe bundle"),
    "a file": (["file.json"], "is a file"),
    "inside of itself": (["app.ortprobe", "-o", "app.ortprobe/app.zip"], "in the bundle itself"),
    "unwritable": (["app.ortprobe", "-o", "nowhere/app.zip"], "nowhere/app.zip"),
    "a folder": (["app.ortprobe", "-o", "empty", "--force"], "can't be written"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_gets_one_line_and_exit_code_2(bundle: Path, tmp_path: Path, name: str) -> None:
    words, said = REFUSED[name]
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.json").write_text("[]")
    before = sorted(tmp_path.rglob("*"))
    done = run("pack", *words, cwd=tmp_path, code=2)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("ortprobe: ")
    assert said in done.stderr
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left behind"


def test_a_packed_file_that_was_cut_off_gets_one_line(bundle: Path, tmp_path: Path) -> None:
    run("pack", bundle, cwd=tmp_path)
    path = tmp_path / "app.ortprobe.zip"
    path.write_bytes(path.read_bytes()[:-100])
    done = run("report", path, cwd=tmp_path, code=2)
    assert len(done.stderr.splitlines()) == 1
    assert "cut off" in done.stderr


def test_an_anonymous_capture_does_not_name_the_program_and_has_its_report(bundle: Path, tmp_path: Path) -> None:
    done = run("pack", bundle, "--anonymous", cwd=tmp_path)
    assert "packed" in done.stderr
    assert (tmp_path / "anonymous.ortprobe.zip").is_file()
    text = run("report", "anonymous.ortprobe.zip", cwd=tmp_path).stdout
    assert "file_1.py:" in text
    for name in ("missing_wait", "missing-wait", "embedding", "conv0"):
        assert name not in text


def test_the_help_names_it(tmp_path: Path) -> None:
    assert "pack " in run("--help", cwd=tmp_path).stdout
    assert "NAME.ortprobe" in run("pack", "--help", cwd=tmp_path).stdout
