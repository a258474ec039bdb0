"""The packaged examples, traced on an H100: the faulty ones are found out, the healthy one is left alone."""

from __future__ import annotations

import pytest
from captures import example

from ortprobe.analysis.races.memory_order import Verdict
from ortprobe.analysis.races.order import Hazard
from ortprobe.rules import Finding, Severity, judge
from ortprobe.rules.finding import Passed
from ortprobe.timeline import NONE, Creation, Kind

NAMES = ("missing-wait", "set-providers", "healthy")


def grave(name: str) -> dict[str, Finding]:
    findings = judge(example(name)).findings
    return {finding.code: finding for finding in findings if finding.severity is not Severity.INFO}


def outcome(name: str, code: str):
    return next(judged.outcome for judged in judge(example(name)).judged if judged.rule.code == code)


def test_the_missing_wait_is_found_at_its_line_in_both_directions():
    found = grave("missing-wait")
    assert set(found) == {"Y1", "B1"}
    assert found["Y1"].severity is Severity.ERROR
    assert found["Y1"].count == 39
    assert [(site.file, site.line) for site in found["Y1"].where] == [
        ("ortprobe/examples/missing_wait.py", 48),
        ("ortprobe/examples/missing_wait.py", 47),
    ]
    assert found["B1"].severity is Severity.WARNING, "the next run comes late enough, and nothing makes it"
    races = example("missing-wait").races
    assert {pair.hazard for pair in races.of_verdict(Verdict.RACE)} == {
        Hazard.READ_AFTER_WRITE,
        Hazard.WRITE_AFTER_READ,
    }
    assert races.resolved == races.waits > 0


def test_the_re_initialisation_is_found_with_its_cost_at_its_line():
    (finding,) = grave("set-providers").values()
    assert finding.code == "S1"
    assert [(site.file, site.line) for site in finding.where] == [("ortprobe/examples/set_providers.py", 51)]
    first, second = example("set-providers").sessions.lives
    assert (first.session.replaces, second.session.replaces) == (None, 0)
    assert second.session.creation is Creation.SET_PROVIDERS
    assert finding.cost_ns == second.re_init_cost_ns == second.creation_ns + second.first_runs.excess_ns
    assert 50e6 < finding.cost_ns < 200e6
    assert finding.title.startswith("The session was built again once by set_providers")
    assert "The GPU was busy 4" in finding.detail, "about 0.4 ms of 84 ms"
    first_run = example("set-providers").timeline.runs.hook_span[60]
    assert int(first_run) in finding.evidence
    assert second.first_run_ns > 50 * second.steady_run_ns


def test_the_healthy_program_has_no_fault():
    assert grave("healthy") == {}


@pytest.mark.parametrize(("name", "code"), [("healthy", "Y3"), ("set-providers", "Y1"), ("set-providers", "Y3")])
def test_inputs_that_are_waited_for_pass(name, code):
    races = example(name).races
    assert outcome(name, code) == Passed()
    assert {pair.verdict for pair in races.pairs} == {Verdict.OK}
    inputs = [pair for pair in races.pairs if pair.second.run != NONE and not pair.second.writes]
    assert len(inputs) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_every_kernel_of_ort_has_its_node_also_in_runs_without_a_profile(name):
    nodes = example(name).nodes
    assert nodes.kernels_with_node == nodes.kernels_of_ort > 1600
    timeline = example(name).timeline
    kernels = timeline.spans.of_kind(Kind.KERNEL)
    of_ort = kernels[timeline.links.run[kernels] != NONE]
    assert (timeline.links.node_span[of_ort] == NONE).any(), "the runs with torch's profiler alone"


@pytest.mark.parametrize("name", NAMES)
def test_the_capture_is_whole_and_its_clocks_agree(name):
    analyses = example(name)
    assert analyses.integrity.problems == ()
    for bound in analyses.timeline.clocks:
        assert bound.low_ns <= 0 <= bound.high_ns
        assert bound.high_ns - bound.low_ns < 40_000


@pytest.mark.parametrize("name", NAMES)
def test_idle_and_busy_fill_the_window(name):
    for device in example(name).idle.devices:
        assert device.busy_ns + device.idle_ns == device.window_ns
        assert sum(device.idle_by_cause.values()) == device.idle_ns


def test_tracing_cost_is_measured_where_one_line_made_runs_of_both_kinds():
    assert example("set-providers").overhead.ratio == pytest.approx(1.6, abs=0.2)
    assert example("missing-wait").overhead.ratio == pytest.approx(1.0, abs=0.05)
