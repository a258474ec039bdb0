"""`check_order` against every interleaving of small random programs.

One thread's calls come in its order, so its programs have one enqueue order, and the check is to find exactly what can
overtake what. Two threads are held to that too where each has streams, events and a device of its own, and only memory
and tokens are common. Where they share streams, the observed order of their calls on what they share is taken as given,
which says a little more than clocks can know: there what is called ordered has to be so, and not the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interleavings import conflicts, overtaking

from ortprobe.analysis.races.order import Pair, check_order
from ortprobe.analysis.races.steps import (
    Certainty,
    DeviceSync,
    EventSync,
    Give,
    HostAccess,
    Program,
    Record,
    Step,
    Stream,
    StreamSync,
    StreamWait,
    Take,
    Touch,
    Work,
)

CELLS, EVENTS, SHORTEST, LONGEST = 2, 2, 6, 8
SPANS = [(0, 1), (0, 1), (0, 2), (1, 2)]
KINDS = [Work, Work, Work, Work, HostAccess, Record, Record, StreamWait, StreamWait, EventSync, StreamSync, StreamSync]
CERTAINTIES = [Certainty.STRICT, Certainty.STRICT, Certainty.STRICT, *Certainty]
thorough = settings(
    deadline=None, max_examples=300, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large)
)


class Drawn(NamedTuple):
    """What a step is made of, as far as it is of use to its kind."""

    kind: type[Step]
    thread: int
    stream: int
    event: int
    span: tuple[int, int]
    writes: bool
    certainty: Certainty


def drawn_steps(threads: int) -> st.SearchStrategy[list[Drawn]]:
    kinds = [*KINDS, DeviceSync, Give, Take, Give, Take] if threads > 1 else [*KINDS, DeviceSync]
    parts = [st.sampled_from(kinds), st.integers(0, threads - 1), st.integers(0, 2), st.integers(0, EVENTS - 1)]
    what = [st.sampled_from(SPANS), st.booleans(), st.sampled_from(CERTAINTIES)]
    return st.lists(st.tuples(*parts, *what).map(Drawn._make), min_size=SHORTEST, max_size=LONGEST)


def streams_of(device: int) -> st.SearchStrategy[list[Stream]]:
    """Two or three of a device, of which at most one is the legacy stream."""
    others = st.lists(st.sampled_from([True, True, False, None]), min_size=1, max_size=2)
    return st.tuples(st.booleans(), others).map(
        lambda drawn: [*(Stream(device, flags) for flags in drawn[1]), Stream(device, is_legacy=drawn[0])]
    )


def step_of(drawn: Drawn, number: int, device: int, streams: Sequence[int]) -> Step:
    kind, thread = drawn.kind, drawn.thread
    stream, event = streams[drawn.stream % len(streams)], EVENTS * device + drawn.event
    touches = (Touch(number, *drawn.span, drawn.writes),)
    arguments = {
        Work: (stream, touches),
        HostAccess: (touches,),
        Record: (stream, event),
        StreamWait: (stream, event),
        EventSync: (event, drawn.certainty),
        StreamSync: (stream, drawn.certainty),
        DeviceSync: (device, drawn.certainty),
        Give: (0,),
        Take: (0,),
    }
    return kind(thread, *arguments[kind])


def programs(threads: int, *, shared: bool = False) -> st.SearchStrategy[Program]:
    """With a device for each thread, unless they share one."""
    devices = 1 if shared else threads

    def program(parts: tuple[list[list[Stream]], list[Drawn]]) -> Program:
        streams = [stream for of_device in parts[0] for stream in of_device]
        of_device = [[at for at, stream in enumerate(streams) if stream.device == each] for each in range(devices)]
        at = [each.thread % devices for each in parts[1]]
        made = [step_of(each, number, at[number], of_device[at[number]]) for number, each in enumerate(parts[1])]
        return Program(streams, threads, made)

    of_devices = st.tuples(*(streams_of(device) for device in range(devices)))
    return st.tuples(of_devices, drawn_steps(threads)).map(program)


def is_at(pair: Pair, level: Certainty) -> bool:
    return pair.ordered is not None and pair.ordered <= level


def check_exactly(program: Program, level: Certainty) -> None:
    overtaken, shared = overtaking(program, level), conflicts(program)
    pairs = list(check_order(program))
    for pair in pairs:
        assert is_at(pair, level) == ((pair.first, pair.second) not in overtaken)
    told = {cell for pair in pairs if not is_at(pair, level) for cell in shared[pair.first, pair.second]}
    assert {cell for pair in overtaken for cell in shared[pair]} == told


def same_pairs(program: Program, other: Program) -> list[tuple[Pair, Pair]]:
    """What is said of each pair in one program and in another of the same accesses."""
    found = [{(pair.first, pair.second): pair for pair in check_order(each)} for each in (program, other)]
    assert found[0].keys() == found[1].keys()
    return [(pair, found[1][at]) for at, pair in found[0].items()]


@thorough
@given(programs(threads=1))
def test_one_thread_is_ordered_where_nothing_can_overtake(program):
    for level in Certainty:
        check_exactly(program, level)


@thorough
@given(programs(threads=2))
def test_two_threads_are_ordered_where_nothing_can_overtake(program):
    for level in (Certainty.STRICT, Certainty.SOFT):
        check_exactly(program, level)


@thorough
@given(programs(threads=2, shared=True))
def test_what_threads_that_share_streams_have_in_order_nothing_can_overtake(program):
    for level in (Certainty.STRICT, Certainty.SOFT):
        ordered = {(pair.first, pair.second) for pair in check_order(program) if is_at(pair, level)}
        assert not ordered & overtaking(program, level)


def nameless(step: Step) -> list[Step]:
    """A step, and what may be known of it when one thing is not."""
    match step:
        case StreamWait():
            return [replace(step, stream=None), replace(step, event=None), replace(step, stream=None, event=None)]
        case EventSync():
            return [replace(step, event=None), replace(step, thread=None)]
        case StreamSync():
            return [replace(step, stream=None), replace(step, thread=None)]
        case DeviceSync():
            return [replace(step, device=None), replace(step, thread=None)]
    return [step]


@thorough
@given(programs(threads=2, shared=True), st.data())
def test_what_is_not_known_of_a_wait_makes_nothing_sure_and_nothing_impossible(program, data):
    unknown = replace(program, steps=[data.draw(st.sampled_from(nameless(step))) for step in program.steps])
    for known, less in same_pairs(program, unknown):
        for level in (Certainty.STRICT, Certainty.SOFT):
            assert is_at(known, level) or not is_at(less, level)
        assert is_at(less, Certainty.OPTIMISTIC) or not is_at(known, Certainty.OPTIMISTIC)


@thorough
@given(programs(threads=2, shared=True))
def test_what_holds_at_one_level_holds_when_all_waits_are_as_sure_as_that(program):
    """Waits of a lower level, made surer, only add to what is ordered."""
    surer = [
        replace(step, certainty=Certainty.STRICT) if isinstance(step, EventSync | StreamSync | DeviceSync) else step
        for step in program.steps
    ]
    for pair, made_surer in same_pairs(program, replace(program, steps=surer)):
        assert pair.ordered is None or is_at(made_surer, pair.ordered)
