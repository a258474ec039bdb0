"""Idle time and its causes against what truly happened in generated programs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from traces.idle_truth import TrueIdle, true_idle
from traces.reading import read
from traces.strategies import Capture, healthy_captures, waiting_captures

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle

BLURRED = {IdleCause.CPU_NODE, IdleCause.ORT_HOST}
"""The border between the two is one of ORT's, in whole µs."""
thorough = settings(
    deadline=None, max_examples=60, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large)
)


CAPTURES = healthy_captures() | waiting_captures()


@st.composite
def without_sync_rows(draw: st.DrawFn) -> Capture:
    capture = draw(CAPTURES)
    return replace(capture, recording=replace(capture.recording, has_sync_rows=False))


def waits_across_devices(capture: Capture) -> bool:
    """Kineto names the stream that is waited for, and not its device."""
    history = capture.history
    streams, waits = history.program.streams, [wait for wait in history.stream_waits if wait.record >= 0]
    return any(streams[wait.stream].device != streams[history.records[wait.record].stream].device for wait in waits)


def idle_and_truth(capture: Capture) -> list[tuple[DeviceIdle, TrueIdle]]:
    timeline, written = read(capture, "bundle")
    return [(device, true_idle(written, device.device)) for device in Analyses(timeline).idle.devices]


def differences(found: DeviceIdle, truth: TrueIdle) -> dict[str, int]:
    """By cause, found less true in ns, where it is more than ORT's whole µs explain."""
    causes = found.idle_by_cause.keys() | truth.by_cause.keys()
    off = {cause: found.idle_by_cause.get(cause, 0) - truth.by_cause[cause] for cause in causes}
    allowed = {cause: truth.uncertain_ns if cause in BLURRED else 0 for cause in causes}
    return {cause.value: off_ns for cause, off_ns in off.items() if abs(off_ns) > allowed[cause]}


@thorough
@given(CAPTURES | without_sync_rows())
def test_idle_time_and_every_cause_of_it_are_the_true_ones(capture):
    assume(not waits_across_devices(capture))
    for found, truth in idle_and_truth(capture):
        assert found.idle_ns == truth.idle_ns
        assert not differences(found, truth)
