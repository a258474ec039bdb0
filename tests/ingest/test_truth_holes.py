"""Where a capture once misled: the smallest program that shows it."""

from __future__ import annotations

from dataclasses import replace

from traces.found import find, offset_bounds
from traces.machine import execute
from traces.program import (
    EndProfiling,
    EventRecord,
    GraphLaunch,
    Launch,
    Model,
    Node,
    Owner,
    Pause,
    Program,
    Run,
    Step,
    StreamKind,
    StreamSpec,
    StreamWait,
    WorkKind,
)
from traces.reading import missing_links, read, wrong_links
from traces.recording import Losses, Recording, ThreadIds
from traces.strategies import Capture
from traces.truth import Truth

STREAMS = (
    StreamSpec(device=0, trace_id=7, handle=0, kind=StreamKind.LEGACY),
    StreamSpec(device=0, trace_id=20, handle=94_000_000, kind=StreamKind.NON_BLOCKING),
)
GEMM = Launch(name="gemm", duration_ns=900)
COPY = Launch(name="Memcpy HtoD (Pinned -> Device)", duration_ns=900, kind=WorkKind.MEMCPY, size_bytes=64)
FIRST, SECOND = Node(name="first", launches=(GEMM,)), Node(name="second", launches=(GEMM,))
IDLE, ALSO_IDLE = Node(name="idle"), Node(name="also idle")
ONCE = ((Run(owner=0),),)
DAY_NS = 86_400 * 10**9


def program(*nodes: Node, threads: tuple[tuple[Step, ...], ...] = ONCE, pace: int = 0, owners: int = 1) -> Program:
    """One model with sessions that run on a stream of their own."""
    own = (Owner(model=0, stream=1),) * owners
    return Program(streams=STREAMS, models=(Model(nodes=nodes),), owners=own, threads=threads, pace=pace)


def watched(program: Program, **recording: object) -> Capture:
    """All of it inside of one window."""
    history = execute(program)
    whole = Recording(windows=((-5_000, history.end_ns + 5_000),))
    return Capture(history=history, recording=replace(whole, **recording))


def wrong(capture: Capture, way: str = "bundle") -> object:
    timeline, written = read(capture, way)
    return wrong_links(find(timeline, written), Truth(written))


def test_a_place_is_doubted_when_another_run_fits_as_well():
    """Two runs profiled, of which torch's profiler saw the first: the launch of that fits into either."""
    twice = program(FIRST, IDLE, ALSO_IDLE, Node(name="last"), threads=((Run(owner=0), Run(owner=0)),), pace=1)
    capture = watched(twice)
    first, second = capture.history.runs
    recording = replace(capture.recording, windows=((-5_000, (first.end_ns + second.start_ns) // 2),))
    assert not wrong(replace(capture, recording=recording), "fitted")


def test_bound_holds_the_true_start_where_cupti_renames_a_thread():
    both = program(
        FIRST,
        owners=2,
        threads=((Run(owner=0),), (Run(owner=1), GraphLaunch(kernels=(GEMM,), graph=9, stream=0))),
    )
    bounds = offset_bounds(*read(watched(both), "fitted"))
    assert all(low_ns <= true_ns <= high_ns for low_ns, high_ns, true_ns in bounds)


def test_launches_of_a_thread_that_ran_no_session_are_no_witnesses():
    """The hook log names every thread, so there is nothing to guess."""
    capture = watched(program(IDLE, threads=(ONCE[0], (replace(GEMM, stream=0),)), pace=1))
    timeline, _ = read(capture, "bundle")
    assert "clock-doubt" not in {problem.kind.value for problem in timeline.problems}


def test_profile_that_was_cut_short_has_the_right_bound():
    """The cap took the second node and the run: nothing says that the launch of the second lies in the first."""
    capture = watched(program(FIRST, SECOND, pace=50), losses=Losses(profile_events=3))
    bounds = offset_bounds(*read(capture, "bundle"))
    assert all(low_ns <= true_ns <= high_ns for low_ns, high_ns, true_ns in bounds)


def test_profile_without_a_place_is_linked_to_nothing():
    thrice = program(Node(name="copying", launches=(COPY,)), threads=((Run(owner=0),) * 3,), pace=1)
    assert not wrong(watched(thrice), "fitted")


def test_profile_whose_start_is_doubted_is_linked_to_nothing():
    thrice = program(FIRST, IDLE, ALSO_IDLE, SECOND, threads=((Run(owner=0),) * 3,))
    assert not wrong(watched(thrice, stated_error_ns=60_000))


def test_start_that_puts_every_run_outside_of_its_hooked_call_is_doubted():
    capture = watched(program(FIRST, threads=((Run(owner=0),) * 3,)), stated_error_ns=3_000_000)
    timeline, _ = read(capture, "bundle")
    assert "clock-doubt" in {problem.kind.value for problem in timeline.problems}


def test_start_that_puts_a_run_outside_of_its_hooked_call_is_doubted():
    capture = watched(program(IDLE, ALSO_IDLE, FIRST), stated_error_ns=20_000)
    timeline, _ = read(capture, "bundle")
    assert "clock-doubt" in {problem.kind.value for problem in timeline.problems}


def test_replayed_graphs_are_no_doubt_about_the_clock():
    replays = program(FIRST, threads=((Run(owner=0), Run(owner=0, is_replay=True)),))
    timeline, _ = read(watched(replays), "bundle")
    assert not timeline.problems


def test_runs_that_lost_different_kernels_lend_each_other_no_nodes():
    """One lost the first of two equal kernels, the other the second: what is left looks the same."""
    runs = program(FIRST, SECOND, threads=((Run(owner=0), EndProfiling(owner=0), Run(owner=0)),))
    assert not wrong(watched(runs, losses=Losses(works=(0, 3))))


def test_runs_that_lost_different_launches_lend_each_other_no_nodes():
    capture = watched(program(FIRST, SECOND, threads=((Run(owner=0), EndProfiling(owner=0), Run(owner=0)),)))
    lost = Losses(calls=tuple(capture.history.works[work].call for work in (0, 3)))
    assert not wrong(replace(capture, recording=replace(capture.recording, losses=lost)))


def test_kernels_that_profiled_runs_launched_from_different_nodes_teach_nothing():
    either = Node(
        name="if",
        op_type="If",
        branches=((Node(name="then", launches=(GEMM,)),), (Node(name="else", launches=(GEMM,)),)),
    )
    runs = (Run(owner=0), Run(owner=0, branch=1), EndProfiling(owner=0), Run(owner=0, branch=1))
    assert not wrong(watched(program(either, threads=(runs,))))


def test_negative_thread_ids_of_old_traces_are_known():
    """Kineto writes the absolute value from torch 2.6 on."""
    beside = program(FIRST, owners=2, threads=((Pause(duration_ns=0),), (Run(owner=1),)))
    timeline, written = read(watched(beside, thread_ids=ThreadIds.SIGNED), "bundle")
    assert not missing_links(find(timeline, written), Truth(written))


def test_lost_graphs_are_counted():
    step = GraphLaunch(kernels=(GEMM,), graph=1, stream=0)
    timeline, written = read(watched(program(FIRST, threads=((Run(owner=0), step),)), losses=Losses(tail=1)), "bundle")
    assert find(timeline, written).problems.get("launches-without-work", 0) == 1


def test_copies_that_leave_no_record_are_no_loss():
    """Those of no bytes are of this kind."""
    step = replace(COPY, stream=0)
    timeline, written = read(watched(program(FIRST, threads=((Run(owner=0), step),)), losses=Losses(tail=1)), "bundle")
    assert "launches-without-work" not in find(timeline, written).problems


def test_wait_without_record_is_counted_beside_a_record_without_call():
    behind = replace(GEMM, stream=1)
    hidden, plain = StreamWait(stream=1, event=0, has_call=False), StreamWait(stream=1, event=0)
    steps = (Run(owner=0), EventRecord(event=0, stream=0), hidden, behind, plain, behind)
    capture = watched(program(FIRST, threads=(steps,)), losses=Losses(waits=(1,)))
    assert find(*read(capture, "bundle")).problems.get("waits-dropped", 0) == 1


def test_times_51_days_behind_their_base_are_exact():
    """µs as a double are off by 0.49 ns at most up to 101 days, so whole and fraction taken apart give the true ns."""
    capture = watched(program(FIRST, threads=((Run(owner=0),) * 5,)), base_before_ns=51_500 * DAY_NS // 1000)
    times = find(*read(capture, "bundle")).times
    calls = {(call.start_ns, call.end_ns) for call in capture.history.calls}
    assert calls <= set(times.values())
