from __future__ import annotations

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.spread import FEWEST_FOR_P99
from ortprobe.timeline import NONE


def hooked_runs(count: int, *, dur_us: float = 10, **fields: object) -> Scene:
    scene = Scene().session(0, 0, 5)
    for number in range(count):
        scene.hook("run", 100 + number * 100, dur_us, session=0, **fields)
    return scene


def test_ten_runs_of_resnet():
    runs = Analyses(captures.resnet()).runs
    assert len(runs.latency_ns) == 10
    assert runs.index_in_session.tolist() == [0, 1, 2, 3, 4] * 2
    assert runs.first_ns == 445_412_000
    assert runs.median_ns == pytest.approx(4.0e6, rel=0.1)
    assert runs.untraced_median_ns is None
    assert runs.latency.p99_ns is None


def test_the_gpu_is_as_busy_in_the_first_run_as_in_every_other():
    busy_ns = Analyses(captures.resnet()).runs.device_busy_ns
    assert (np.abs(busy_ns - np.median(busy_ns)) < 0.03 * np.median(busy_ns)).all()
    assert busy_ns[0] == pytest.approx(1.79e6, rel=0.01)


@pytest.mark.parametrize("call", ["run", "run_with_iobinding", "run_with_ort_values", "run_with_ortvaluevector"])
def test_every_way_to_run_is_a_run(tmp_path, call):
    assert len(Analyses(Scene().session(0, 0, 5).hook(call, 10, 5, session=0).load(tmp_path)).runs.latency_ns) == 1


def test_phases_follow_the_call_from_start_to_return(tmp_path):
    scene = Scene()
    scene.profile().run(110, 50).node("n", 120, 20)
    scene.session(0, 0, 5).hook("run", 100, 80, session=0, attached=1)
    analyses = Analyses(scene.load(tmp_path))
    phases = analyses.phases.of(0)
    assert {phase.value: time_ns // 1000 for phase, time_ns in phases.items()} == {
        "host_before": 10, "input_copies": 1, "execute": 48, "after_execute": 1, "host_after": 20
    }  # fmt: skip
    assert sum(phases.values()) == analyses.runs.latency_ns[0]


def test_what_nobody_measured_is_not_zero(tmp_path):
    analyses = Analyses(hooked_runs(3).load(tmp_path))
    runs, phases = analyses.runs, analyses.phases
    for column in (phases.host_before_ns, phases.execute_ns, phases.drain_ns, runs.device_busy_ns):
        assert (column == NONE).all()
    assert not phases.of(0)
    assert runs.untraced_median_ns == 10_000


def test_a_run_without_device_work_under_a_gpu_trace_kept_the_device_free(tmp_path):
    scene = Scene().launch("torch's", 0, 5, 5, 1).launch("torch's", 200, 205, 5, 2)
    scene.profile().run(50, 50).node("n", 60, 20, provider="CPUExecutionProvider")
    assert Analyses(scene.load(tmp_path)).runs.device_busy_ns.tolist() == [0]


def test_medians_go_by_what_was_attached(tmp_path):
    scene = Scene().session(0, 0, 5)
    runs = [(90, 3), (30, 3), (31, 3), (32, 3), (20, 2), (22, 2), (10, 0), (11, 0), (12, 0)]
    for number, (dur_us, attached) in enumerate(runs):
        scene.hook("run", 100 + number * 100, dur_us, session=0, attached=attached)
    analyses = Analyses(scene.load(tmp_path))
    overhead = analyses.overhead
    assert analyses.runs.first_ns == 90_000
    medians_ns = (overhead.traced_median_ns, overhead.torch_only_median_ns, overhead.untraced_median_ns)
    assert medians_ns == (31_000, 21_000, 11_000)
    assert overhead.ratio == pytest.approx(31 / 11)


def test_tracing_is_judged_by_runs_that_one_line_made(tmp_path):
    """A loop of slow runs is traced, and goes on untraced; then another line makes quick runs, all untraced."""
    scene, at_us = Scene().session(0, 0, 5), 100
    for dur_us, attached, site in [*[(30, 3, "app.py:1")] * 4, *[(29, 0, "app.py:1")] * 3, *[(5, 0, "app.py:9")] * 9]:
        scene.hook("run", at_us, dur_us, session=0, attached=attached, site=site)
        at_us += 100
    assert Analyses(scene.load(tmp_path)).overhead.ratio == pytest.approx(30 / 29)


def test_runs_of_different_lines_give_no_cost_of_tracing(tmp_path):
    scene, at_us = Scene().session(0, 0, 5), 100
    for dur_us, attached, site in [*[(30, 3, "app.py:1")] * 4, *[(5, 0, "app.py:9")] * 9]:
        scene.hook("run", at_us, dur_us, session=0, attached=attached, site=site)
        at_us += 100
    assert Analyses(scene.load(tmp_path)).overhead.ratio is None


def test_runs_that_raised_are_in_no_statistic(tmp_path):
    scene = hooked_runs(4).hook("run", 1000, 90_000, session=0, error="ValueError: no")
    runs = Analyses(scene.load(tmp_path)).runs
    assert runs.failed.tolist() == [False] * 4 + [True]
    assert runs.median_ns == 10_000


@pytest.mark.parametrize(("steady", "stated"), [(FEWEST_FOR_P99 - 1, False), (FEWEST_FOR_P99, True)])
def test_a_percentile_needs_enough_runs(tmp_path, steady, stated):
    runs = Analyses(hooked_runs(steady + 1).load(tmp_path)).runs
    assert (runs.latency.p99_ns is not None) is stated


def test_an_empty_capture_has_no_figures(tmp_path):
    analyses = Analyses(Scene().torch_op("aten::add", 0, 5).load(tmp_path))
    assert analyses.runs.first_ns is None
    assert analyses.idle.devices == ()
    assert len(analyses.waits) == 0
    assert analyses.nodes.nodes == ()
    assert analyses.sessions.lives == ()
