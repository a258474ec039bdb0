"""Streams that starved while another one ran."""

from __future__ import annotations

import captures
import pytest
from hypothesis import HealthCheck, given, settings
from scene import Scene
from traces.history import History, Interval, merged
from traces.reading import read
from traces.strategies import healthy_captures, waiting_captures

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.starvation import StreamStarvation
from ortprobe.timeline import Timeline


def starved(timeline: Timeline, stream: int) -> StreamStarvation:
    (found,) = (one for one in Analyses(timeline).starvation.streams if one.stream == stream)
    return found


def by_cause(one: StreamStarvation) -> dict[str, int]:
    """µs by cause."""
    return {cause.value: time_ns // 1000 for cause, time_ns in one.starved_by_cause.items()}


def test_a_stream_that_waits_for_another_starves_as_long_as_that_runs(tmp_path):
    scene = Scene().launch("first", 0, 10, 10, 1, stream=13).launch("producer", 3, 12, 88, 2, stream=7)
    scene.call("cudaEventRecord", 6, 1, 3).call("cudaStreamWaitEvent", 8, 1, 4)
    scene.wait("Stream Wait Event", 8, 1, 4, stream=13, waited_stream=7, record=3)
    one = starved(scene.launch("consumer", 30, 103, 10, 5, stream=13).load(tmp_path), 13)
    # From 20 to 30 the consumer was not launched; from 100 on nothing ran.
    assert by_cause(one) == {"cross-stream-wait": 70, "python": 10}
    assert (one.life_ns, one.busy_ns, one.starved_ns, one.device_idle_ns) == (103_000, 20_000, 80_000, 3_000)
    assert one.meanwhile_ns == {7: 80_000}


def test_a_late_host_starves_a_stream_too(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1, stream=13).launch("other", 3, 15, 85, 2, stream=7)
    scene.call("cudaMalloc", 25, 30, 3).launch("b", 90, 95, 10, 4, stream=13)
    assert by_cause(starved(scene.load(tmp_path), 13)) == {"python": 40, "allocation": 30, "launch-latency": 5}


def test_queued_work_that_a_busy_device_leaves_waiting_is_not_explained(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1, stream=13).launch("b", 3, 90, 10, 2, stream=13)
    one = starved(scene.launch("all of the device", 5, 15, 75, 3, stream=7).load(tmp_path), 13)
    assert by_cause(one) == {"unattributed": 70}


def test_a_single_stream_never_starves(tmp_path):
    one = starved(Scene().launch("a", 0, 10, 10, 1).launch("b", 40, 50, 10, 2).load(tmp_path), 7)
    assert (one.starved_ns, one.device_idle_ns, one.meanwhile_ns) == (0, 30_000, {})


@pytest.mark.parametrize("capture", [captures.racy, captures.healthy, captures.service])
def test_life_is_busy_starved_and_idle_time(capture):
    for one in Analyses(capture()).starvation.streams:
        assert one.busy_ns + one.starved_ns + one.device_idle_ns == one.life_ns
        assert sum(one.starved_by_cause.values()) == one.starved_ns
        assert max(one.meanwhile_ns.values(), default=0) <= one.starved_ns <= sum(one.meanwhile_ns.values())


@settings(max_examples=40, deadline=None, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))
@given(healthy_captures() | waiting_captures())
def test_streams_starve_as_long_as_they_did(capture):
    timeline, written = read(capture, "bundle")
    history, specs = capture.history, capture.history.program.streams
    numbers = {(spec.device, spec.trace_id): number for number, spec in enumerate(specs)}
    for one in Analyses(timeline).starvation.streams:
        number = numbers[one.device, one.stream]
        lives = list(true_lives(history, written.recording.windows, number))
        busy = clipped(history.busy(number), lives)
        any_busy = clipped(history.device_busy(one.device), lives)
        assert one.life_ns == length_ns(lives)
        assert one.busy_ns == length_ns(busy)
        assert one.starved_ns == length_ns(any_busy) - length_ns(busy)
        assert sum(one.starved_by_cause.values()) == one.starved_ns


def true_lives(history: History, windows: tuple[Interval, ...], stream: int):
    for window in windows:
        inside = clipped(history.busy(stream), [window])
        if inside:
            yield inside[0][0], inside[-1][1]


def clipped(intervals: list[Interval], stretches: list[Interval]) -> list[Interval]:
    return merged((max(a, c), min(b, d)) for a, b in intervals for c, d in stretches if max(a, c) < min(b, d))


def length_ns(intervals: list[Interval]) -> int:
    return sum(end - start for start, end in intervals)
