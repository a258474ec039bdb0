"""Programs with one fault each in sessions, options and bindings, and their near misses, recorded on a GPU."""

from __future__ import annotations

from functools import cache

import pytest
from captures import DATA

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.rules import Finding, NotApplicable, Outcome, Severity, judge

RECORDED = DATA / "h200-bindings"
CODES = ("S6", "Y8", "B2", "B3", "B5", "B6", "B7", "B8")
GRAVE = {"B2": Severity.ERROR, "B5": Severity.ERROR}
"""The others cost time."""
ALSO = {"b3_fault": {"B8"}, "b6_fault": {"B8"}, "b6_near": {"B8"}}
"""What goes through the host went through pageable memory there."""


@cache
def outcomes(name: str) -> dict[str, Outcome]:
    judgement = judge(Analyses(load_bundle(RECORDED / f"{name}.zip")))
    return {each.rule.code: each.outcome for each in judgement.judged}


def found(name: str) -> set[str]:
    return {code for code in CODES if isinstance(outcomes(name)[code], Finding)}


@pytest.mark.parametrize("code", CODES)
def test_the_fault_is_found_where_it_is_and_no_other(code: str) -> None:
    name = f"{code.lower()}_fault"
    assert found(name) == {code} | ALSO.get(name, set())
    outcome = outcomes(name)[code]
    assert isinstance(outcome, Finding)
    assert outcome.severity is GRAVE.get(code, Severity.WARNING)
    assert all(site.file.startswith("tests/benchmarks/") for site in outcome.where)
    assert outcome.where


@pytest.mark.parametrize("code", CODES)
def test_a_program_that_nearly_has_it_is_left_alone(code: str) -> None:
    name = f"{code.lower()}_near"
    assert found(name) == ALSO.get(name, set())
    outcome = outcomes(name)[code]
    assert not (isinstance(outcome, NotApplicable) and outcome.evidence_missing)
