"""`ortprobe explain` and `ortprobe rules` from their command lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import ortprobe

from ortprobe.rules import RULES


def test_findings_are_explained_by_code_and_by_name(tmp_path: Path) -> None:
    done = ortprobe("explain", "y1", "idle_between_runs", "Y1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    heads = [line.split()[0] for line in done.stdout.splitlines() if line.startswith(("Y1 ", "I1 "))]
    assert heads == ["Y1", "I1"]
    assert "\x1b" not in done.stdout


def test_what_nobody_knows_ends_with_one_line_and_2(tmp_path: Path) -> None:
    done = ortprobe("explain", "Y1", "Y99", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("ortprobe: 'Y99': no rule has this code or name; nearest: Y")


@pytest.mark.parametrize("command", [("rules",), ("explain", *(rule.code for rule in RULES))])
def test_the_other_formats_are_of_the_same_rules(command: tuple[str, ...], tmp_path: Path) -> None:
    document = json.loads(ortprobe(*command, "--format", "json", cwd=tmp_path).stdout)
    assert [each["code"] for each in document["rules"]] == [rule.code for rule in RULES]
    markdown = ortprobe(*command, "--format", "markdown", cwd=tmp_path).stdout
    assert all(f"{rule.code}" in markdown for rule in RULES)
