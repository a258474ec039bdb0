"""Waits whose other side is not named, or wrongly."""

from __future__ import annotations

from pathlib import Path

import captures
import pytest
from scene import Scene

from ortprobe.timeline import ProblemKind

from .planted import correlations, found, launches, planted

KINDS = (
    ProblemKind.WAITS_UNRESOLVED, ProblemKind.WAITS_DROPPED, ProblemKind.EVENT_RECORD_MISSING,
    ProblemKind.WAITS_ON_FUTURE, ProblemKind.SYNC_WITHOUT_CALL, ProblemKind.NO_SYNC_RECORDS,
)  # fmt: skip


def ordered(scene: Scene) -> Scene:
    """A stream that waits for another by an event."""
    scene.call("cudaEventRecord", 100, 2, 50).call("cudaStreamWaitEvent", 105, 2, 51)
    return scene.wait("Stream Wait Event", 105, 2, 51, stream=20, waited_stream=7, record=50)


def dropped(scene: Scene) -> None:
    scene.call("cudaStreamWaitEvent", 120, 2, 60)


def unresolved(scene: Scene) -> None:
    scene.call("cudaStreamWaitEvent", 120, 2, 60).wait("Stream Wait Event", 120, 2, 60, stream=20)


def recorded_before_the_trace(scene: Scene) -> None:
    scene.call("cudaStreamWaitEvent", 120, 2, 60)
    scene.wait("Stream Wait Event", 120, 2, 60, stream=20, waited_stream=7, record=3000)


def recorded_later(scene: Scene) -> None:
    scene.call("cudaStreamWaitEvent", 120, 2, 60).call("cudaEventRecordWithFlags", 150, 2, 61)
    scene.wait("Stream Wait Event", 120, 2, 60, stream=20, waited_stream=7, record=61)


def made_by_a_library(scene: Scene) -> None:
    scene.wait("Stream Wait Event", 120, 2, 60, stream=20, waited_stream=7, record=50)


FAULTS = {
    ProblemKind.WAITS_DROPPED: dropped,
    ProblemKind.WAITS_UNRESOLVED: unresolved,
    ProblemKind.EVENT_RECORD_MISSING: recorded_before_the_trace,
    ProblemKind.WAITS_ON_FUTURE: recorded_later,
    ProblemKind.SYNC_WITHOUT_CALL: made_by_a_library,
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_found_as_itself_and_cited(tmp_path: Path, kind: ProblemKind) -> None:
    scene = ordered(launches(5))
    FAULTS[kind](scene)
    timeline, problem = planted(scene, tmp_path, kind)
    assert correlations(timeline, problem) == [60]
    assert [each for each in KINDS if found(timeline, each)] == [kind]


def test_waits_that_name_their_event_are_no_problem(tmp_path: Path) -> None:
    timeline = ordered(launches(5)).load(tmp_path)
    assert not [each for each in KINDS if found(timeline, each)]
    assert not [each for each in KINDS if found(captures.healthy(), each)]


def test_queries_are_no_waits_that_lack_something(tmp_path: Path) -> None:
    """CUPTI 12.9 and later write an "Event Sync" for a query of an event, whether it was done or not."""
    scene = ordered(launches(5)).call("cudaEventQuery", 120, 2, 60)
    scene.wait("Event Sync", 120, 2, 60, waited_stream=7, record=50)
    assert not [each for each in KINDS if found(scene.load(tmp_path), each)]


def test_a_trace_without_records_says_so(tmp_path: Path) -> None:
    planted(launches(5), tmp_path, ProblemKind.NO_SYNC_RECORDS)
