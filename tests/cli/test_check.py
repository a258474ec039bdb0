"""`ortprobe check`, run as a command: exit codes, outputs, refusals."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from captures import DATA, RACE, RESNET
from commands import ortprobe

from ortprobe.cli import main

HEALTHY, RE_INIT = (str(DATA / "h100-examples" / f"{name}.ortprobe") for name in ("healthy", "set-providers"))
NO_VERDICT = ("--ort", str(RACE / "racy_ort.json.gz"), "--torch", str(RESNET / "kineto.json.gz"))


def check(*words: str, cwd: Path, code: int) -> subprocess.CompletedProcess[str]:
    done = ortprobe("check", *words, cwd=cwd)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_a_healthy_capture_passes_and_a_fault_does_not(tmp_path):
    assert "passed" in check(HEALTHY, cwd=tmp_path, code=0).stdout.splitlines()[0]
    failed = check(RE_INIT, cwd=tmp_path, code=1)
    assert "failed: 1 finding" in failed.stdout.splitlines()[0]
    assert "ortprobe/examples/set_providers.py:51" in failed.stdout


def test_words_come_again_or_with_commas(tmp_path):
    check(RE_INIT, "--fail-on", "error,Y1", "--fail-on", "options_lost", cwd=tmp_path, code=0)
    check(RE_INIT, "--fail-on", "error,Y1", "--fail-on", "F1", cwd=tmp_path, code=1)
    check(RE_INIT, "--ignore", "S1", cwd=tmp_path, code=0)


def test_no_verdict_is_never_0(tmp_path):
    assert "no verdict" in check(*NO_VERDICT, "--fail-on", "none", cwd=tmp_path, code=1).stdout


def test_budgets_are_kept_exceeded_or_not_to_be_told(tmp_path):
    (tmp_path / "kept.toml").write_text("re_inits = 0\nraces = 0\nmedian = '1 ms'\nidle_share = '95 %'\n")
    (tmp_path / "exceeded.toml").write_text("median_us = 500\n")
    (tmp_path / "untold.toml").write_text("p99 = '1 ms'\n")
    assert "4 budgets kept" in check(HEALTHY, "--budget", "kept.toml", cwd=tmp_path, code=0).stdout
    exceeded = check(HEALTHY, "--budget", "exceeded.toml", cwd=tmp_path, code=1).stdout
    assert "median: 687 µs, limit 500 µs" in exceeded
    assert "set by exceeded.toml" in exceeded
    untold = check(RE_INIT, "--fail-on", "none", "--budget", "untold.toml", cwd=tmp_path, code=1).stdout
    assert "can't tell, because" in untold


def test_counts_above_a_baseline_fail(tmp_path):
    check(HEALTHY, "--baseline", HEALTHY, cwd=tmp_path, code=0)
    grown = check(RE_INIT, "--fail-on", "none", "--baseline", HEALTHY, cwd=tmp_path, code=1).stdout
    assert "re_inits against the baseline: 1, limit 0" in grown


def test_runs_may_not_be_slower_than_in_a_baseline(tmp_path):
    slower = check(HEALTHY, "--baseline", RE_INIT, "--gate", "5%", cwd=tmp_path, code=1).stdout
    assert "failed      times against the baseline: slower by" in slower


def test_several_outputs_in_one_call(tmp_path):
    outs = [word for name in ("a.sarif", "b.xml", "c.md", "d.json", "e.txt") for word in ("-o", name)]
    done = check(RE_INIT, *outs, cwd=tmp_path, code=1)
    assert "failed: 1 finding" in done.stdout, "the log of a build says why it failed"
    assert json.loads((tmp_path / "a.sarif").read_text())["version"] == "2.1.0"
    assert ElementTree.parse(tmp_path / "b.xml").getroot().tag == "testsuites"
    assert (tmp_path / "c.md").read_text().startswith("### ")
    assert json.loads((tmp_path / "d.json").read_text())["standing"] == "failed"
    assert (tmp_path / "e.txt").read_text() == done.stdout
    again = check(RE_INIT, *outs, cwd=tmp_path, code=2)
    assert "--force" in again.stderr
    check(RE_INIT, *outs, "--force", cwd=tmp_path, code=1)


def test_one_format_goes_to_the_terminal(tmp_path):
    assert json.loads(check(HEALTHY, "--format", "sarif", cwd=tmp_path, code=0).stdout)["version"] == "2.1.0"
    check(HEALTHY, "--format", "junit", "-o", "results", cwd=tmp_path, code=0)
    assert ElementTree.parse(tmp_path / "results").getroot().tag == "testsuites"


REFUSED = {
    "nothing": (["--fail-on", "error"], "nothing to"),
    "missing bundle": (["nowhere.ortprobe"], "nowhere.ortprobe"),
    "missing baseline": ([HEALTHY, "--baseline", "nowhere.ortprobe"], "nowhere.ortprobe"),
    "missing budget": ([HEALTHY, "--budget", "nowhere.toml"], "nowhere.toml: can't be read"),
    "budget that is no TOML": ([HEALTHY, "--budget", "broken.toml"], "broken.toml: is no TOML"),
    "budget of unknown keys": ([HEALTHY, "--budget", "unknown.toml"], "unknown.toml: there is no budget syncs"),
    "the nearest key": ([HEALTHY, "--budget", "unknown.toml"], "did you mean syncs_per_run?"),
    "unknown word": ([HEALTHY, "--fail-on", "warnings"], "--fail-on 'warnings': did you mean warning?"),
    "unknown rule": ([HEALTHY, "--ignore", "Q7"], "--ignore 'Q7'"),
    "unknown end": ([HEALTHY, "-o", "out.html"], ".html"),
    "gate without baseline": ([HEALTHY, "--gate", "5%"], "--baseline"),
    "gate that is no share": ([HEALTHY, "--baseline", HEALTHY, "--gate", "much"], "'much': write a percentage"),
    "one format for two": ([HEALTHY, "--format", "json", "-o", "a", "-o", "b"], "--format json"),
    "unwritable": ([HEALTHY, "-o", "nowhere/out.json"], "nowhere/out.json"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_gets_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, name):
    words, named = REFUSED[name]
    (tmp_path / "broken.toml").write_text("re_inits = \n")
    (tmp_path / "unknown.toml").write_text("syncs = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["ortprobe", "check", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert told.startswith("ortprobe: ")
    assert named in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.toml", "unknown.toml"], "nothing is left behind"
