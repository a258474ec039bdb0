"""`ortprobe diff`, run as a command: what it prints, what it writes, how it exits, and how it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from commands import ortprobe
from planted_loops import Loop


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """`old-0`, `old-1` and `new-0`, `new-1`, whose node b takes 40 µs longer."""
    found = tmp_path_factory.mktemp("captures")
    for name, loop in (("old", Loop()), ("new", Loop(node_us={"b": 140}))):
        for row in range(2):
            replace(loop, seed=row + len(name) * (name == "new")).write(found / f"{name}-{row}.ortprobe")
    return found


def test_slower_ends_with_1_and_faster_with_0(folder):
    slower = ortprobe("diff", "old-0.ortprobe", "new-0.ortprobe", cwd=folder)
    assert (slower.returncode, slower.stderr) == (1, "")
    assert slower.stdout.startswith("slower by ")
    assert ortprobe("diff", "new-0.ortprobe", "old-0.ortprobe", cwd=folder).returncode == 0


def test_repeats_are_given_with_options(folder):
    sides = [
        word
        for side, name in (("--before", "old"), ("--after", "new"))
        for row in range(2)
        for word in (side, f"{name}-{row}.ortprobe")
    ]
    done = ortprobe("diff", *sides, "--format", "json", cwd=folder)
    document = json.loads(done.stdout)
    assert document["captures"] == {"before": 2, "after": 2}
    assert not document["sessions"][0]["measures"]["median"]["spread_is_assumed"]
    mixed = ortprobe(
        "diff", "old-0.ortprobe", "new-0.ortprobe", *sides[2:4], *sides[6:], "--format", "json", cwd=folder
    )
    assert json.loads(mixed.stdout) == document


def test_a_gate_lets_small_changes_pass(folder):
    done = ortprobe("diff", "old-0.ortprobe", "new-0.ortprobe", "--gate", "40%", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.startswith("same within ")


def test_the_output_is_written_where_asked_and_never_overwritten(folder, tmp_path):
    words = ("diff", "old-0.ortprobe", "new-0.ortprobe", "-o", tmp_path / "diff.md")
    done = ortprobe(*words, cwd=folder)
    assert done.returncode == 1
    assert (tmp_path / "diff.md").read_text().startswith("# ortprobe diff")
    assert "comparison" in done.stderr.splitlines()[-1]
    again = ortprobe(*words, cwd=folder)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    assert ortprobe(*words, "--force", cwd=folder).returncode == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["old-0.ortprobe"], "one for after"),
        (["old-0.ortprobe", "missing.ortprobe"], "missing.ortprobe: is not there"),
        (["old-0.ortprobe", "new-0.ortprobe", "--gate", "five"], "write a percentage"),
        (["old-0.ortprobe", "new-0.ortprobe", "--before", "old-0.ortprobe"], "no repeat of it"),
        (["--before", "old-0.ortprobe"], "nothing to compare"),
        (["old-0.ortprobe", "new-0.ortprobe", "-o", "diff.xyz"], "no format is known"),
    ],
)
def test_what_can_t_be_compared_is_refused_in_one_line(folder, words, says):
    done = ortprobe("diff", *words, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_page_is_written_with_both_timelines(folder, tmp_path):
    done = ortprobe("diff", "old-0.ortprobe", "new-0.ortprobe", "-o", tmp_path / "diff.html", cwd=folder)
    assert done.returncode == 1
    page = (tmp_path / "diff.html").read_text()
    assert page.startswith("<!doctype html>")
    assert '"label":"before · Runs"' in page
    assert '"label":"after · Runs"' in page


def test_a_page_without_a_name_is_diff_html(folder, tmp_path):
    words = ("diff", folder / "old-0.ortprobe", folder / "old-1.ortprobe", "--format", "html")
    done = ortprobe(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "diff.html").stat().st_size > 100_000
    again = ortprobe(*words, cwd=tmp_path)
    assert again.returncode == 2
    assert "diff.html: already there" in again.stderr
