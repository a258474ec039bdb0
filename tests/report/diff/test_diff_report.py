"""A comparison in front of people and machines: one screen, figures that add up, names that do no harm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from planted_loops import Loop

from ortprobe.analysis.comparison.verdict import gate_of
from ortprobe.errors import UsageError
from ortprobe.report.diff.diff import Diff, load_diff
from ortprobe.report.diff.diff_wording import account_lines
from ortprobe.report.report import load

ESCAPE = "\x1b[31m|<b>[x](y)`"


def diff(folder: Path, before: Loop, after: Loop, repeats: int = 1, gate: float | None = None) -> Diff:
    sides = [
        [replace(loop, seed=10 * side + row).write(folder / f"{side}-{row}.ortprobe") for row in range(repeats)]
        for side, loop in enumerate((before, after))
    ]
    return load_diff(*sides, **({} if gate is None else {"gate": gate_of(gate)}))


@pytest.fixture
def slower(tmp_path) -> Diff:
    return diff(tmp_path, Loop(), Loop(node_us={"b": 140}))


def test_the_verdict_has_the_figures_and_their_interval(slower):
    assert slower.regressed
    words = slower.verdict
    assert words.startswith("slower by 1")
    assert " before" in words
    assert " to +" in words


def test_the_same_says_within_how_much(tmp_path):
    found = diff(tmp_path, Loop(), Loop(), repeats=2)
    assert not found.regressed
    assert found.verdict.startswith("same within ")


def test_no_telling_says_why_and_what_would_help(tmp_path):
    found = diff(tmp_path, Loop(noise=0.6), Loop(noise=0.6))
    assert found.regressed
    assert found.verdict.startswith("can't tell: the times vary too much")
    assert "several captures" in found.verdict


def test_the_text_is_one_screen_and_names_what_makes_the_difference(slower):
    lines = slower.render("text").decode().splitlines()
    assert len(lines) < 45
    part = next(line for line in lines if line.strip().startswith("GPU: b"))
    assert part.split() == ["GPU:", "b", "100", "µs", "140", "µs", "+40.0", "µs"]
    assert any(line.strip().startswith("together") for line in lines)
    assert any("is assumed: 2.0 %" in line for line in lines)


def test_the_lines_of_an_account_sum_to_the_difference(slower):
    (session,) = slower.comparison.sessions
    for account in (session.account, session.pace_account):
        assert account is not None
        for most in (0, 1, 3, 100):
            assert sum(line.more_ns for line in account_lines(account, most)) == account.stated_ns


def test_the_document_has_a_version_and_sums(slower):
    document = json.loads(slower.render("json"))
    assert (document["schema_version"], document["outcome"]) == (1, "slower")
    (session,) = document["sessions"]
    assert session["measures"]["median"]["low"] > 1
    account = session["account"]
    assert sum(part["more_ns"] for part in account["parts"]) + account["beside_ns"] == account["stated_ns"]
    largest = account["parts"][0]
    assert (largest["kind"], largest["node"], largest["more_ns"]) == ("device", "b", 40_000)
    assert document["unsayable"] == {}


def test_a_gate_is_in_the_document(tmp_path):
    found = diff(tmp_path, Loop(), Loop(node_us={"b": 102}), repeats=3, gate=0.2)
    document = json.loads(found.render("json"))
    assert document["gate"] == {"counts": 0.2, "same": 0.2}
    assert document["outcome"] == "same"


def test_names_from_traces_move_no_cursor_and_make_no_markup(tmp_path):
    found = diff(tmp_path, Loop(nodes=("a", ESCAPE)), Loop(nodes=("a", ESCAPE), node_us={ESCAPE: 300}))
    assert "\x1b" not in found.render("text").decode()
    page = found.render("markdown").decode()
    assert "\x1b" not in page
    assert "<b>" not in page
    assert "[x](y)" not in page
    assert ESCAPE in json.loads(found.render("json"))["sessions"][0]["account"]["parts"][0]["node"]


def test_markdown_holds_the_same_figures(slower):
    page = slower.render("markdown").decode()
    assert page.startswith("# ortprobe diff\n\n**slower by ")
    assert "| GPU: b | 100 µs | 140 µs | \\+40.0 µs |" in page or "| GPU: b | 100 µs | 140 µs | +40.0 µs |" in page
    assert "| **together** |" in page


def test_a_capture_is_no_repeat_of_itself_whatever_form_it_is_in(tmp_path):
    first, second, after = (Loop(seed=seed).write(tmp_path / f"{seed}.ortprobe") for seed in range(3))
    (export := tmp_path / "0.pftrace").write_bytes(load(first).render("perfetto"))
    for again in (first, export):
        with pytest.raises(UsageError, match=f"{again.name}: is the capture that .*0.ortprobe is, too, and no repeat"):
            load_diff([first, second, again], [after])
    assert load_diff([export, second], [after, first]).comparison
