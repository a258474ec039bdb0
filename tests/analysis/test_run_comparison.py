"""One run is slow because of one planted thing, and the comparison names it."""

from __future__ import annotations

import json
from pathlib import Path

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.runs.run_comparison import RunComparison
from ortprobe.analysis.runs.run_differences import IdleDifference, NodeDifference, WaitDifference
from ortprobe.analysis.runs.run_phases import Phase
from ortprobe.ingest import load_bundle

RUNS = 7
SLOW = 4
EVERY_US = 1000


def loop(*, node_us: int = 0, foreign_us: int = 0, gap_us: int = 0) -> Scene:
    """Seven runs of two nodes, 100 µs each; run 4 has a longer kernel, a longer wait for another stream, or a longer
    stretch of ORT's host code between its nodes. The planted time comes on top of the latency."""
    scene = Scene(window_us=(0, RUNS * EVERY_US + 100))
    profile = scene.profile()
    scene.session(0, 0, 5)
    for number in range(RUNS):
        start_us, first = 100 + number * EVERY_US, 10 * number + 1
        node, foreign, gap = (us if number == SLOW else 0 for us in (node_us, foreign_us, gap_us))
        dur_us = 100 + node + foreign + gap
        _foreign_work(scene, start_us, foreign, first + 5)
        scene.hook("run", start_us, dur_us, session=0, attached=3)
        execute_us = 46 + gap
        profile.run(start_us + 4, dur_us - 8)
        profile.events[-1]["dur"] = execute_us
        profile.node("a", start_us + 6, 10, index=0).node("b", start_us + 26 + gap, 10, index=1)
        scene.launch("ka", start_us + 8, start_us + 12, 5, first)
        scene.launch("kb", start_us + 28 + gap, start_us + 32 + gap, 40 + node, first + 1)
        end_us = start_us + 72 + gap + node
        wait_us = start_us + 52 + gap
        _sync(scene, wait_us, end_us + 2 - wait_us, first + 2, stream=7)
        _sync(scene, end_us + 3, 5 + foreign, first + 3, stream=9)
    return scene.launch("last", RUNS * EVERY_US + 80, RUNS * EVERY_US + 90, 5, 999)


def _foreign_work(scene: Scene, start_us: int, foreign_us: int, correlation: int) -> None:
    """Torch's kernel on stream 9: it is done before the run, or as long after the run's own work as planted."""
    dur_us = 60 if not foreign_us else 60 + 79 + foreign_us
    scene.launch("torch's", start_us - 70, start_us - 64, dur_us, correlation, stream=9)


def _sync(scene: Scene, start_us: int, dur_us: int, correlation: int, *, stream: int) -> None:
    scene.call("cudaStreamSynchronize", start_us, dur_us, correlation)
    scene.wait("Stream Sync", start_us, dur_us, correlation, stream=stream)


def compared(scene: Scene, folder: Path) -> RunComparison:
    (found,) = Analyses(scene.load(folder)).comparisons
    assert sum(each.more_ns for each in found.phases) == found.difference_ns
    return found


def largest_phase(found: RunComparison) -> Phase | None:
    return max(found.phases, key=lambda each: each.more_ns).phase


def test_a_kernel_that_took_long(tmp_path):
    found = compared(loop(node_us=300), tmp_path)
    assert (found.slow, found.difference_ns, found.runs) == (SLOW, 300_000, RUNS - 1)
    assert largest_phase(found) is Phase.DRAIN
    reason = found.reasons[0]
    assert isinstance(reason, NodeDifference)
    assert (reason.node, reason.device_ns) == (1, 300_000)
    assert (found.slow_busy_ns, found.median_busy_ns) == (345_000, 45_000)
    assert [wait.stall_ns for wait in found.waits if not wait.foreign] == [300_000]


def test_a_long_wait_for_the_work_of_others(tmp_path):
    scene = loop(foreign_us=300)
    found = compared(scene, tmp_path)
    assert (found.slow, found.difference_ns) == (SLOW, 300_000)
    assert largest_phase(found) is Phase.DRAIN
    reason = found.reasons[0]
    assert isinstance(reason, WaitDifference)
    assert reason.foreign
    assert reason.stall_ns == pytest.approx(300_000, abs=5_000)


def test_a_long_gap_in_the_hosts_code(tmp_path):
    found = compared(loop(gap_us=300), tmp_path)
    assert (found.slow, found.difference_ns) == (SLOW, 300_000)
    assert largest_phase(found) is Phase.EXECUTE
    reason = found.reasons[0]
    assert isinstance(reason, IdleDifference)
    assert (reason.cause, reason.idle_ns) == (IdleCause.ORT_HOST, 300_000)
    assert found.slow_busy_ns == found.median_busy_ns


def test_where_all_runs_are_alike_nothing_makes_a_difference(tmp_path):
    found = compared(loop(), tmp_path)
    assert found.difference_ns == 0
    assert found.reasons == found.nodes == found.waits == found.shapes == ()


def test_a_run_with_other_shapes_is_told(tmp_path):
    scene = loop(node_us=300)
    for event in scene.profiles[0].events:
        of_run = (event["ts"] - 100) // EVERY_US
        if event["cat"] == "Node":
            event["args"]["input_type_shape"] = [{"float": [64 if of_run == SLOW else 8, 3]}]
    found = compared(scene, tmp_path)
    shapes = [(each.node, json.loads(each.slow_shapes), json.loads(each.other_shapes)) for each in found.shapes]
    assert shapes == [(node, [{"float": [64, 3]}], [{"float": [8, 3]}]) for node in (0, 1)]


def test_too_few_runs_are_not_compared(tmp_path):
    scene = Scene().session(0, 0, 5)
    for number in range(5):
        scene.hook("run", 100 + number * 100, 10 + number, session=0)
    assert Analyses(scene.load(tmp_path)).comparisons == ()


def test_runs_that_only_hooks_saw_differ_as_a_whole(tmp_path):
    scene = Scene().session(0, 0, 5)
    for number in range(6):
        scene.hook("run", 100 + number * 100, 10 + number, session=0)
    found = compared(scene, tmp_path)
    assert not found.explained
    assert (found.slow, found.median, found.difference_ns) == (5, 3, 2_000)


def test_differences_of_recordings_divide_exactly():
    timelines = [
        captures.service(),
        *(load_bundle(captures.DATA / f"h100-{name}.ortprobe") for name in ("graph", "flow")),
    ]
    several = [*map(Analyses, timelines), captures.example("missing-wait"), captures.example("set-providers")]
    found = [each for analyses in several for each in analyses.comparisons]
    assert len(found) >= 10
    for each in found:
        assert sum(phase.more_ns for phase in each.phases) == each.difference_ns >= 0
