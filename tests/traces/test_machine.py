"""The truth itself: what the simulated program does is what CUDA and ONNX Runtime allow."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from traces.history import History, StreamWaited
from traces.machine import execute
from traces.program import StreamKind
from traces.strategies import programs

PROGRAMS = programs(is_odd=True)
quick = settings(deadline=None, max_examples=60)


def of_stream(history: History, stream: int) -> list[int]:
    return [number for number, work in enumerate(history.works) if work.stream == stream]


@quick
@given(PROGRAMS)
def test_work_of_a_stream_runs_in_order_and_behind_its_launch(program):
    history = execute(program)
    for stream in range(len(program.streams)):
        works = [history.works[number] for number in of_stream(history, stream)]
        assert all(first.end_ns <= second.start_ns for first, second in pairwise(works))
    assert all(history.calls[work.call].start_ns < work.ready_ns <= work.start_ns for work in history.works)


@quick
@given(PROGRAMS)
def test_legacy_stream_never_runs_beside_a_blocking_one(program):
    history, specs = execute(program), program.streams
    for legacy, blocking in ((a, b) for a, one in enumerate(specs) for b, other in enumerate(specs)
                             if (one.kind, other.kind) == (StreamKind.LEGACY, StreamKind.BLOCKING)
                             and one.device == other.device):  # fmt: skip
        busy = sorted(history.busy(legacy) + history.busy(blocking))
        assert all(first[1] <= second[0] for first, second in pairwise(busy))


@quick
@given(PROGRAMS)
def test_ordered_work_ends_before_what_it_is_ordered_before_begins(program):
    history = execute(program)
    for later, work in enumerate(history.works):
        for earlier in range(later):
            if history.is_ordered(earlier, later):
                assert history.works[earlier].end_ns <= work.start_ns


@quick
@given(PROGRAMS)
def test_wait_stalls_as_long_as_its_event_lies_behind_what_else_the_work_needs(program):
    history = execute(program)
    for wait in history.stream_waits:
        if wait.stall_ns:
            held = history.works[wait.held]
            assert wait.record >= 0
            assert history.records[wait.record].at_ns <= held.start_ns
            assert wait.stall_ns <= held.start_ns - held.ready_ns
            assert event_is_late(history, wait)


def event_is_late(history: History, wait: StreamWaited) -> bool:
    """Whether the work was ready, and the work before it in its stream done, when the event was not."""
    before = [history.works[number].end_ns for number in of_stream(history, wait.stream) if number < wait.held]
    return history.records[wait.record].at_ns > max([history.works[wait.held].ready_ns, *before])


@quick
@given(PROGRAMS)
def test_calls_of_a_thread_lie_in_their_nodes_and_runs_and_follow_one_another(program):
    history = execute(program)
    for call in history.calls:
        if call.execution >= 0:
            execution = history.executions[call.execution]
            assert execution.start_ns + 1_900 <= call.start_ns
            assert call.end_ns + 2_000 <= execution.end_ns
        if call.run >= 0:
            start_ns, end_ns = history.runs[call.run].model_run
            assert start_ns + 2_000 <= call.start_ns <= call.end_ns <= end_ns - 2_000
    for thread in range(len(program.threads)):
        calls = [call for call in history.calls if call.thread == thread]
        assert all(first.end_ns <= second.start_ns for first, second in pairwise(calls))
        assert all(first.correlation < second.correlation for first, second in pairwise(calls))


@quick
@given(PROGRAMS)
def test_correlation_ids_are_handed_out_in_the_order_of_calls(program):
    calls = sorted(execute(program).calls, key=lambda call: call.correlation)
    assert all(first.start_ns <= second.start_ns for first, second in pairwise(calls))
