"""B8: loops that copy from and to pageable memory, as recorded on GPUs."""

from __future__ import annotations

import json

import pytest
from asking import ask
from captures import DATA, race_program
from cases.pageable_copies import cant_tell, fault

from ortprobe.rules import Finding, NotApplicable, Passed, Severity

PACE = json.loads((DATA / "h100-workloads" / "known.json").read_text())["pace_ns"]


def test_what_pinned_memory_saves_is_what_it_saved_when_it_was_tried(tmp_path):
    found = ask("B8", fault(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 13, 13)
    assert [(site.file, site.line) for site in found.where] == [("workloads.py", 86)]
    measured = 1 - sum(PACE["resnet50 pinned"]) / sum(PACE["resnet50 pageable"])
    told = float(found.title.rpartition("would save ")[2].partition(" %")[0]) / 100
    assert told == pytest.approx(measured, abs=0.03)


def test_a_small_loop_whose_input_is_pageable():
    found = ask("B8", race_program("pageable_copy"))
    assert isinstance(found, Finding)
    assert found.count == found.over_runs == 6


@pytest.mark.parametrize("name", ["all_on_user_stream", "pinned_no_wait", "numpy_feeds", "double_buffered"])
def test_copies_that_are_pinned_or_before_the_loop(name):
    assert ask("B8", race_program(name)) == Passed()


def test_without_a_loop_nobody_knows(tmp_path):
    outcome = ask("B8", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
