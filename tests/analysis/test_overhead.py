"""What tracing cost, of runs whose true cost is planted: 2 µs a CUDA call, 6 µs a node."""

from __future__ import annotations

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.runs.run_phases import Phase

CALL_US = 2
NODE_US = 6
NODES = 4
COSTS = {"traced": {}, "free": {"call_us": 0, "node_us": 0}}


def loop(*, call_us: int = CALL_US, node_us: int = NODE_US, each: int = 6) -> Scene:
    """Runs of four nodes, each of which launches one kernel 20 µs after the one before, with 900 µs between runs.

    First they are traced, then with torch's profiler alone, then untraced. Tracing adds its cost before each launch.
    """
    scene, start_us = Scene(window_us=(0, 2000 * each)), 100
    profile = scene.profile()
    scene.session(0, 0, 5)
    for number in range(3 * each):
        attached = (3, 2, 0)[number // each]
        step_us = 20 + (call_us if attached else 0) + (node_us if attached == 3 else 0)
        dur_us = 20 + NODES * step_us
        scene.hook("run", start_us, dur_us, session=0, attached=attached, site="app.py:1")
        if attached == 3:
            profile.run(start_us + 1, dur_us - 2)
        for node in range(NODES if attached else 0):
            at_us = start_us + 5 + node * step_us
            if attached == 3:
                profile.node(f"n{node}", at_us, step_us - 2, index=node)
            scene.launch("k", at_us + step_us - 8, at_us + step_us - 4, 5, 100 * number + node + 1)
        start_us += dur_us + 900
    return scene


def test_the_cost_of_a_call_and_of_a_node_is_what_was_planted(tmp_path):
    overhead = Analyses(loop().load(tmp_path)).overhead
    assert overhead.untraced_median_ns == 100_000
    assert overhead.launch.cuda_call_ns == 1000 * CALL_US
    assert overhead.launch.node_ns == pytest.approx(1000 * NODE_US)
    assert overhead.launch.launch_ns == pytest.approx(1000 * (CALL_US + NODE_US))
    assert overhead.launch.hidden is False
    assert {cost.phase for cost in overhead.phases} == {Phase.BEFORE_LAUNCH, Phase.LAUNCHING, Phase.AFTER_LAUNCH}
    assert (overhead.traced_period_ns, overhead.untraced_period_ns) == (1_032_000, 1_000_000)


def test_idle_time_without_tracing_lies_between_its_bounds(tmp_path):
    traced, free = (Analyses(loop(**cost).load(tmp_path / name)) for name, cost in COSTS.items())
    (belief,), (device,) = traced.believable.devices, traced.idle.devices
    assert {cause: bounds.high_ns for cause, bounds in belief.by_cause.items()} == device.idle_by_cause
    host = IdleCause.ORT_HOST, IdleCause.LAUNCH_LATENCY, IdleCause.PYTHON
    without_ns = sum(free.idle.devices[0].idle_by_cause.get(cause, 0) for cause in host)
    low_ns, high_ns = (sum(getattr(belief.by_cause[cause], f"{side}_ns") for cause in host) for side in ("low", "high"))
    assert low_ns <= without_ns < high_ns
    assert low_ns == pytest.approx(without_ns, abs=high_ns - without_ns)


def test_a_cost_that_does_not_stand_out_is_not_told(tmp_path):
    analyses = Analyses(loop(call_us=0, node_us=0).load(tmp_path))
    assert (analyses.overhead.launch.cuda_call_ns, analyses.overhead.launch.node_ns) == (None, None)
    assert analyses.believable.devices == ()


def test_too_few_runs_tell_no_cost(tmp_path):
    assert Analyses(loop(each=3).load(tmp_path)).overhead.launch.cuda_call_ns is None


def test_on_a_real_capture_gaps_below_a_few_microseconds_are_the_tracers():
    analyses = captures.example("set-providers")
    assert analyses.overhead.launch.launch_ns == pytest.approx(6_300, rel=0.05)
    (belief,), (device,) = analyses.believable.devices, analyses.idle.devices
    for cause, bounds in belief.by_cause.items():
        assert 0 <= bounds.low_ns <= bounds.high_ns == device.idle_by_cause[cause]
    assert belief.by_cause[IdleCause.PROFILER].low_ns == 0
    assert belief.by_cause[IdleCause.BACK_TO_BACK].low_ns == device.idle_by_cause[IdleCause.BACK_TO_BACK]
