from __future__ import annotations

import pytest
from asking import ask
from captures import DATA
from cases.clock_ramp_after_idle import PAUSES_US, cant_tell, fault, near_miss, served
from scene import Scene

from ortprobe.ingest import load_bundle
from ortprobe.rules import Finding, NotApplicable, Passed, Severity


def test_kernels_that_take_longer_the_longer_the_gpu_was_idle(tmp_path):
    found = ask("I2", fault(tmp_path))
    assert isinstance(found, Finding)
    assert found.severity is Severity.INFO
    assert found.title == "The kernels of a run take 480 µs after a pause of the GPU, and 300 µs in a row"
    # Six runs of 420 µs and six of 540 µs, over the 300 µs that they take in a row.
    assert (found.count, found.cost_ns, found.over_runs) == (12, 6 * 120_000 + 6 * 240_000, 12)
    assert [(site.file, site.line) for site in found.where] == [("serve.py", 7)]


def test_pauses_that_change_nothing(tmp_path):
    assert ask("I2", near_miss(tmp_path)) == Passed()


def test_without_runs_in_a_row_nobody_knows_what_they_would_take(tmp_path):
    outcome = ask("I2", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_a_slow_run_now_and_then_is_no_ramp(tmp_path):
    times_us = [200, 202] * 4 + [201, 199] * 5 + [500, 200]
    assert ask("I2", served(PAUSES_US, times_us).load(tmp_path)) == Passed()


SLOWER_US = [200] * 8 + [280] * 6 + [360] * 6


@pytest.mark.parametrize(
    "change", [{"first": "another_gemm"}, {"beside_us": 100}], ids=["other kernels", "beside work"]
)
def test_runs_that_differ_in_more_than_the_pause_are_not_compared(tmp_path, change):
    assert isinstance(ask("I2", served(PAUSES_US, SLOWER_US).load(tmp_path / "alike")), Finding)
    assert not isinstance(ask("I2", served(PAUSES_US, SLOWER_US, **change).load(tmp_path / "not")), Finding)


@pytest.mark.parametrize("name", ["pinned_no_wait", "event_synchronize"])
def test_an_h200_whose_clocks_stay_where_they_are(name):
    outcome = ask("I2", load_bundle(DATA / "h200-races" / f"{name}.zip"))
    assert not isinstance(outcome, Finding)


def test_a_program_without_a_gpu_lacks_no_evidence(tmp_path):
    outcome = ask("I2", Scene().session(0, 0, 100).hook("run", 200, 10, session=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
