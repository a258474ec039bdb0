"""Programs with one planted race each, and programs whose order is right, recorded on a GPU: see `tests/data`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from captures import DATA, race_program
from holes import without_sync_records

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import Verdict
from ortprobe.rules import Finding, Severity, judge
from ortprobe.rules.finding import NotApplicable, Outcome

RECORDED = DATA / "h200-races"
ORDER_RULES = ("Y1", "Y3", "Y4", "Y5", "Y9", "B1")
RACY = {
    "default_no_wait": "Y1",
    "side_no_wait": "Y1",
    "event_before_write": "Y1",
    "wrong_stream_waited": "Y1",
    "pinned_no_wait": "Y1",
    "out_argument_no_wait": "Y1",
    "thread_no_wait": "Y1",
    "user_stream_default_write": "Y3",
    "user_stream_waits_too_early": "Y3",
    "output_no_wait": "Y4",
    "output_event_too_early": "Y4",
    "refill_in_flight": "Y5",
    "refill_event_too_early": "Y5",
    "output_overwritten": "B1",
    "dlpack_output_no_wait": "Y9",
    "dlpack_input_no_wait": "Y9",
    "default_stream_handle": "Y1",
}
ABSTAINS = {"record_stream": {"Y5"}}
"""The allocator asks by queries whether a stream is done with freed memory, and a trace does not hold the answers."""
SLOW = {"pageable_copy": {"B8"}}
"""What else is found in programs whose order is right."""
HEALTHY = sorted({path.stem for path in RECORDED.glob("*.zip")} - set(RACY))


@cache
def analyses(name: str) -> Analyses:
    return Analyses(race_program(name))


def outcomes(of: Analyses) -> dict[str, Outcome]:
    return {each.rule.code: each.outcome for each in judge(of).judged}


def races_found(of: Analyses) -> set[str]:
    return {code for code in ORDER_RULES if isinstance(outcomes(of)[code], Finding)}


@pytest.mark.parametrize("name", RACY)
def test_the_planted_race_is_found_and_no_other(name: str) -> None:
    assert races_found(analyses(name)) == {RACY[name]}


@pytest.mark.parametrize("name", RACY)
def test_no_wait_of_a_program_that_races_is_called_needless(name: str) -> None:
    of = outcomes(analyses(name))
    assert not any(isinstance(of[code], Finding) for code in ("Y6", "Y7"))


def test_a_race_that_came_out_right_is_told_from_one_that_overlapped() -> None:
    latent, observed = (outcomes(analyses(name))[RACY[name]] for name in ("output_overwritten", "default_no_wait"))
    assert latent.severity is Severity.WARNING
    assert "It came out right in this capture" in latent.detail
    assert observed.severity is Severity.ERROR
    assert "They overlapped on the device" in observed.detail


def test_a_default_stream_that_was_given_is_said_to_be_ignored() -> None:
    assert isinstance(outcomes(analyses("default_stream_handle"))["Y2"], Finding)


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_in_a_program_whose_order_is_right(name: str) -> None:
    of = analyses(name)
    grave = {finding.code for finding in judge(of).findings if finding.severity is not Severity.INFO}
    assert grave == SLOW.get(name, set())
    assert not of.races.of_verdict(Verdict.RACE)
    abstained = {
        code
        for code in ORDER_RULES
        if isinstance(outcome := outcomes(of)[code], NotApplicable) and outcome.evidence_missing
    }
    assert abstained == ABSTAINS.get(name, set())


@pytest.mark.parametrize("name", [*RACY, *HEALTHY])
def test_every_wait_is_resolved(name: str) -> None:
    races = analyses(name).races
    assert races.resolved == races.waits > 0


@pytest.mark.parametrize("name", [*RACY, *HEALTHY])
def test_without_records_of_waits_there_is_neither_a_race_nor_an_all_clear(name: str, tmp_path: Path) -> None:
    of = Analyses(without_sync_records(name, tmp_path))
    assert not of.races.of_verdict(Verdict.RACE)
    for code in ORDER_RULES:
        outcome = outcomes(of)[code]
        assert isinstance(outcome, NotApplicable)
        assert outcome.evidence_missing
