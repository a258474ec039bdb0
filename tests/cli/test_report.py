"""`ortprobe report`, run as a command: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from captures import RACE, RESNET
from commands import ENVIRONMENT, ortprobe
from onnx_models import ran
from scene import Scene

from ortprobe.report.report import load

RESNET_FILES = [
    *("--ort", str(RESNET / "ort_a.json.gz")),
    *("--ort", str(RESNET / "ort_b.json.gz")),
    *("--torch", str(RESNET / "kineto.json.gz")),
]


def report(*words: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = ortprobe("report", *words, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def bundle(tmp_path) -> Path:
    scene = Scene()
    scene.profile().load(0, 10).initialize(10, 50).run(100, 50).run(200, 50).run(300, 50)
    scene.session(0, 0, 70, inputs=("x",), outputs=("y",), providers=("CPUExecutionProvider",))
    for start in (95, 195, 295):
        scene.hook("run", start, 60, session=0, attached=1, site="app.py:7")
    return scene.write_bundle(tmp_path / "app.ortprobe")


def test_bare_files_of_resnet_give_the_figures_that_are_true_of_them(tmp_path):
    done = report(*RESNET_FILES, "--format", "json", cwd=tmp_path)
    document = json.loads(done.stdout)
    summary = document["summary"]
    assert (summary["sessions"], summary["re_inits"], summary["runs"]) == (2, 1, 10)
    kernels = summary["kernels"]
    assert (kernels["total"], kernels["of_ort"], kernels["with_node"]) == (2342, 2340, 2340)
    assert document["integrity"]["sync_calls"] == 110
    (device,) = summary["devices"]
    assert sum(device["idle_by_cause"].values()) == device["idle_ns"] == device["window_ns"] - device["busy_ns"]
    assert summary["latency_ns"]["untraced_median"] is None, "nobody measured it"
    assert "S1" in [finding["code"] for finding in document["findings"]]


def test_the_page_of_bare_files_is_written_where_asked_and_its_name_printed(tmp_path):
    done = report(*RESNET_FILES, "-o", "out.html", cwd=tmp_path)
    page = (tmp_path / "out.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "report out.html" in done.stderr.splitlines()[-1]
    assert done.stdout == ""


@pytest.mark.parametrize(("suffix", "start"), [("html", "<!doctype"), ("json", "{"), ("md", "#"), ("txt", "")])
def test_the_output_ends_in_its_format(bundle, suffix, start):
    report(str(bundle), "-o", f"out.{suffix}", cwd=bundle.parent)
    assert (bundle.parent / f"out.{suffix}").read_text().lower().startswith(start)


def test_text_goes_to_the_terminal(bundle):
    done = report(str(bundle), cwd=bundle.parent)
    assert "Runs" in done.stdout
    assert "\x1b" not in done.stdout, "no colour where nobody can see it"


def test_the_terminal_gets_one_screen_and_a_txt_file_all_of_it(bundle):
    screen = report(str(bundle), cwd=bundle.parent).stdout
    assert screen.splitlines()[-1] == "next: all of it: --format details; the page: -o NAME.html"
    report(str(bundle), "-o", "all.txt", cwd=bundle.parent)
    details = report(str(bundle), "--format", "details", cwd=bundle.parent).stdout
    heads = {"Sessions", "Runs", "Not captured, not judged"}
    assert heads <= set(details.splitlines())
    assert heads <= set((bundle.parent / "all.txt").read_text().splitlines())
    assert not heads & set(screen.splitlines())


@pytest.mark.parametrize(
    ("source", "below", "named"),
    [
        ("app.ortprobe", ".", "app.pftrace"),
        (".", "app.ortprobe", "app.pftrace"),
        ("app.ortprobe/.", ".", "app.pftrace"),
        ("app.v2.ortprobe", ".", "app.v2.pftrace"),
        ("app.ortprobe.zip", ".", "app.pftrace"),
        ("app.trace.json", ".", "app.pftrace"),
    ],
)
def test_what_goes_to_a_file_is_named_for_its_source(bundle, source, below, named):
    shutil.copytree(bundle, bundle.with_name("app.v2.ortprobe"))
    ortprobe("pack", bundle, cwd=bundle.parent)
    (bundle.parent / "app.trace.json").write_bytes(load(bundle).render("chrome"))
    report(source, "--format", "perfetto", cwd=bundle.parent / below)
    assert (bundle.parent / below / named).stat().st_size


def test_bare_files_name_what_is_made_of_them(tmp_path):
    shutil.copy(RESNET / "ort_a.json.gz", tmp_path / "a.json.gz")
    report("--ort", "a.json.gz@1700000000000000000", "--format", "chrome", cwd=tmp_path)
    assert (tmp_path / "a.trace.json").stat().st_size


@pytest.mark.parametrize(
    ("words", "opened"),
    [
        (["report", "app.ortprobe", "--open"], "app.html"),
        (["report", "app.ortprobe", "--open", "-o", "page.html"], "page.html"),
        (["report", "app.ortprobe", "--open", "--format", "json"], ""),
        (["report", "app.ortprobe", "--open", "-o", "page.json"], ""),
        (["diff", "app.ortprobe", "app.ortprobe", "--open"], "diff.html"),
    ],
)
def test_what_is_opened_is_a_page(bundle, monkeypatch, words, opened):
    (bundle.parent / "browser.py").write_text("import sys; open('opened', 'w').write(sys.argv[1])")
    monkeypatch.setitem(ENVIRONMENT, "BROWSER", f"{sys.executable} browser.py %s")
    assert "Traceback" not in ortprobe(*words, cwd=bundle.parent).stderr
    noted = bundle.parent / "opened"
    assert (noted.read_text() if noted.exists() else "") == ((bundle.parent / opened).as_uri() if opened else "")


def test_an_existing_output_stays_unless_forced(bundle):
    out = bundle.parent / "out.json"
    out.write_text("mine")
    refused = report(str(bundle), "-o", str(out), cwd=bundle.parent, code=2)
    assert out.read_text() == "mine"
    assert "--force" in refused.stderr
    report(str(bundle), "-o", str(out), "--force", cwd=bundle.parent)
    assert json.loads(out.read_text())["schema_version"] == 1


def test_a_capture_that_allows_no_verdict_exits_with_1(tmp_path):
    ort = ["--ort", str(RACE / "racy_ort.json.gz"), "--torch", str(RESNET / "kineto.json.gz")]
    done = report(*ort, cwd=tmp_path, code=1)
    assert "no verdict" in done.stdout.lower()


@pytest.mark.parametrize("name", ["x.pftrace", "x.trace.json"])
def test_what_was_exported_is_reported_as_the_bundle_is(bundle, name):
    report(str(bundle), "-o", name, cwd=bundle.parent)
    again = report(name, "--format", "json", cwd=bundle.parent)
    assert again.stdout.encode() == load(bundle).render("json")


def test_what_was_exported_is_compared_and_checked_as_the_bundle_is(bundle):
    folder = bundle.parent
    (folder / "x.pftrace").write_bytes(load(bundle).render("perfetto"))
    checked = ortprobe("check", "x.pftrace", "--baseline", str(bundle), cwd=folder)
    assert checked.returncode == 0, checked.stderr
    compared = ortprobe("diff", str(bundle), "x.pftrace", "--format", "json", cwd=folder)
    assert json.loads(compared.stdout)["verdict"], compared.stderr


REFUSED = {
    "trace of another program": (["other.pftrace"], "other.pftrace: is a Perfetto trace with no Timeline of ortprobe"),
    "missing bundle": (["nowhere.ortprobe"], "nowhere.ortprobe"),
    "folder that is no bundle": (["."], "no ortprobe bundle"),
    "file as bundle": (["cut.json"], "--ort"),
    "bundle and files": ([".", "--ort", "cut.json"], "either"),
    "cut-off trace": (["--torch", "cut.json"], "cut.json"),
    "torch trace as ORT profile": (["--ort", str(RESNET / "kineto.json.gz")], "kineto.json.gz"),
    "unknown format": ([*RESNET_FILES, "-o", "out.xyz"], ".xyz"),
    "unwritable": ([*RESNET_FILES, "-o", "nowhere/out.html"], "nowhere/out.html"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_gets_one_line_and_exit_code_2(tmp_path, name):
    words, named = REFUSED[name]
    (tmp_path / "cut.json").write_text('{"traceEvents": [{"ph": "X", ')
    (tmp_path / "other.pftrace").write_bytes(b"\x0a\x02\x50\x01")
    done = report(*words, cwd=tmp_path, code=2)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("ortprobe: ")
    assert named in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"cut.json", "other.pftrace"}, "nothing is left behind"


def test_the_model_names_what_was_fused(tmp_path):
    run = ran("convolutions", "all")
    words = ("--ort", str(run.profile), "--model", str(run.model))
    done = report(*words, "--format", "json", cwd=tmp_path, code=1)
    assert json.loads(done.stdout)["summary"]["models"] == {
        "files": [{"path": str(run.model), "size_bytes": run.model.stat().st_size}],
        "nodes": {"none": 0, "exact": 1, "derived": 3, "inserted": 3},
    }
    page = report(*words, "-o", "out.html", cwd=tmp_path, code=1)
    assert page.returncode == 1
    packed = re.search('id="data-tables">([^<]+)<', (tmp_path / "out.html").read_text()).group(1)
    assert "/conv1 + /norm1 + /relu1" in zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS).decode()
    text = report(*words, "--format", "details", cwd=tmp_path, code=1).stdout
    assert "4 of 7 found in the model, 3 put in by ORT" in " ".join(text.split())


def test_a_model_of_another_program_gets_one_line(tmp_path):
    words = ("--ort", str(ran("convolutions", "all").profile), "--model", str(ran("products", "off").model))
    done = report(*words, cwd=tmp_path, code=2)
    assert "no session here ran it" in done.stderr
    assert done.stderr.count("\n") == 1
