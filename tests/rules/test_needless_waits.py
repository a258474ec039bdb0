"""Waits that order nothing, planted in programs that ran on a GPU, and waits like them that are needed."""

from __future__ import annotations

from functools import cache

import pytest
from captures import race_program

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.changes import Change
from ortprobe.rules import RULES, Finding, Passed
from ortprobe.rules.finding import NotApplicable, Outcome

NEEDLESS = {
    "one_stream_synchronized": ("Y6", "waiting_programs.py:32"),
    "wait_stream_synchronized": ("Y6", "waiting_programs.py:46"),
    "event_after_each_clone": ("Y6", "waiting_programs.py:66"),
    "host_works_after_waiting": ("Y6", "waiting_programs.py:147"),
    "host_works_after_slow_kernel": ("Y7", "race_loop.py:86"),
}
"""Program → rule and line, as it was when it was recorded."""
HEALTHY = ("busy_default_stream", "host_works_beside_user_stream", "host_works_meanwhile", "run_end_orders")
PACES_MS = {
    "host_works_after_waiting": (Change.NO_NEEDLESS_WAITS, 5.065, 3.323),
    "host_works_after_slow_kernel": (Change.NO_LEGACY_WAITS, 3.823, 2.441),
}
"""What a round took in processes without ortprobe, with the wait and in the program without it: medians of three."""


@cache
def analyses(name: str) -> Analyses:
    return Analyses(race_program(name))


def outcomes(name: str) -> dict[str, Outcome]:
    return {rule.code: rule.check(analyses(name)) for rule in RULES if rule.code in ("Y6", "Y7")}


@pytest.mark.parametrize("name", NEEDLESS)
def test_a_needless_wait_is_found_at_its_line_and_nowhere_else(name: str) -> None:
    code, line = NEEDLESS[name]
    found = outcomes(name)
    assert {each for each, outcome in found.items() if isinstance(outcome, Finding)} == {code}
    assert [str(site).rpartition("/")[2] for site in found[code].where] == [line]
    assert found[code].cost_ns > 0


@pytest.mark.parametrize("name", HEALTHY)
def test_waits_that_order_something_or_cost_nothing_pass(name: str) -> None:
    assert outcomes(name) == {"Y6": Passed(), "Y7": Passed()}


def test_a_wait_between_two_streams_of_torch_is_not_judged() -> None:
    outcome = outcomes("other_torch_work_awaited")["Y6"]
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
    assert "in memory that nobody watched" in outcome.why


@pytest.mark.parametrize("name", PACES_MS)
def test_what_leaving_a_wait_out_saves_is_what_the_program_without_it_saved(name: str) -> None:
    change, with_ms, without_ms = PACES_MS[name]
    loop = analyses(name).what_ifs
    changed = loop.of_change(change)
    saved = 1 - changed.pace_ns / loop.pace_ns
    assert saved == pytest.approx(1 - without_ms / with_ms, rel=0.25)


def test_mending_saves_what_the_replay_says_and_not_what_the_waits_stalled():
    of = analyses("wait_stream_synchronized")
    (rule,) = (rule for rule in RULES if rule.code == "Y6")
    found, loop = rule.check(of), of.what_ifs
    saved_ns = loop.pace_ns - loop.of_change(Change.NO_NEEDLESS_WAITS).pace_ns
    assert isinstance(found, Finding)
    assert found.saves_ns == found.worth_ns == saved_ns * len(of.timeline.runs)
    assert found.cost_ns != found.saves_ns
