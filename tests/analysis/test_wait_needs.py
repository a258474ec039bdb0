"""What waits were needed for: planted cases, and random programs against a reading one wait at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import captures
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene import PROCESS, Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.waits.wait_times import Need, Wait, Waiter, WaitRole
from ortprobe.timeline import NONE, Kind, Timeline, WaitKind

DTOH, HTOD = "Memcpy DtoH (Device -> Pinned)", "Memcpy HtoD (Pinned -> Device)"


def sync(scene: Scene, start_us: float, dur_us: float, correlation: int, stream: int = 7) -> Scene:
    scene.call("cudaStreamSynchronize", start_us, dur_us, correlation)
    return scene.wait("Stream Sync", start_us, dur_us, correlation, stream=stream)


def event(scene: Scene, at_us: float, correlation: int, *, waited: int, waiting: int) -> Scene:
    """A stream waits for all of another one, by an event recorded just before."""
    scene.call("cudaEventRecord", at_us, 1, correlation)
    scene.call("cudaStreamWaitEvent", at_us + 2, 1, correlation + 1)
    return scene.wait(
        "Stream Wait Event", at_us + 2, 1, correlation + 1, stream=waiting, waited_stream=waited, record=correlation
    )


def needs(scene: Scene, folder: Path) -> list[str]:
    return [wait.need.value for wait in Analyses(scene.load(folder)).waits.rows()]


def busy() -> Scene:
    """Stream 7 works from 10 to 60 µs, the host waits for it from 20 to 65, and much later for the next work there."""
    scene = sync(Scene().launch("k", 0, 10, 50, 1), 20, 45, 10)
    return sync(scene.launch("later", 200, 210, 50, 50), 220, 45, 60)


CASES: dict[str, tuple[Callable[[Scene], object], Need]] = {
    "nothing follows": (lambda scene: None, Need.ORDERS_NOTHING_SEEN),
    "work on the same stream": (lambda scene: scene.launch("k", 70, 80, 5, 20), Need.ORDERS_NOTHING_SEEN),
    "work on another stream": (lambda scene: scene.launch("k", 70, 80, 5, 20, stream=13), Need.ORDERS_STREAMS),
    "work on another device": (lambda scene: scene.launch("k", 70, 80, 5, 20, device=1), Need.ORDERS_STREAMS),
    "work on another stream by another thread": (
        lambda scene: scene.launch("k", 70, 80, 5, 20, stream=13, thread=99), Need.ORDERS_NOTHING_SEEN
    ),
    "work on another stream behind the next wait": (
        lambda scene: scene.launch("k", 280, 290, 5, 70, stream=13), Need.ORDERS_NOTHING_SEEN
    ),
    "a wait that finds nothing to do does not take over": (
        lambda scene: sync(scene, 70, 5, 20).launch("k", 80, 90, 5, 21, stream=13), Need.ORDERS_STREAMS
    ),
    "work on another stream that an event had put behind": (
        lambda scene: event(scene, 4, 5, waited=7, waiting=13).launch("k", 70, 80, 5, 20, stream=13),
        Need.ORDERS_NOTHING_SEEN,
    ),
    "work on another stream that an event puts behind afterwards": (
        lambda scene: event(scene, 66, 15, waited=7, waiting=13).launch("k", 70, 80, 5, 20, stream=13),
        Need.ORDERS_NOTHING_SEEN,
    ),
    "work on another stream before the event": (
        lambda scene: event(scene.launch("k", 66, 80, 5, 14, stream=13), 70, 15, waited=7, waiting=13),
        Need.ORDERS_STREAMS,
    ),
    "an event recorded before the work": (
        lambda scene: scene.wait("Stream Wait Event", 66, 1, 15, stream=13, waited_stream=7, record=0).launch(
            "k", 70, 80, 5, 20, stream=13
        ),
        Need.ORDERS_STREAMS,
    ),
    "an event that is waited for again, as it was before": (
        lambda scene: event(scene, 4, 5, waited=7, waiting=13)
        .wait("Stream Wait Event", 66, 1, 15, stream=13, waited_stream=7, record=0)
        .wait("Stream Wait Event", 67, 1, 16, stream=13, waited_stream=7, record=0)
        .launch("k", 70, 80, 5, 20, stream=13),
        Need.ORDERS_NOTHING_SEEN,
    ),
    "a copy to the host": (
        lambda scene: scene.call("cudaMemcpyAsync", 3, 2, 2).memcpy(DTOH, 60, 3, 2), Need.DATA_FOR_HOST
    ),
    "a copy from pinned memory": (
        lambda scene: scene.call("cudaMemcpyAsync", 3, 2, 2).memcpy(HTOD, 60, 3, 2), Need.FREES_HOST_MEMORY
    ),
    "a copy from pageable memory": (
        lambda scene: scene.call("cudaMemcpyAsync", 3, 2, 2).memcpy("Memcpy HtoD (Pageable -> Device)", 60, 3, 2),
        Need.ORDERS_NOTHING_SEEN,
    ),
    "a copy to the host on another stream": (
        lambda scene: scene.call("cudaMemcpyAsync", 3, 2, 2).memcpy(DTOH, 60, 3, 2, stream=13),
        Need.ORDERS_NOTHING_SEEN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_follows_tells_what_a_wait_of_the_host_was_for(tmp_path, case):
    plant, expected = CASES[case]
    scene = busy()
    plant(scene)
    waits = Analyses(scene.load(tmp_path)).waits.rows()
    (first,) = (wait for wait in waits if wait.waiter is Waiter.HOST and wait.end_ns % 1_000_000 == 65_000)
    assert first.need is expected


def test_a_wait_of_the_host_is_told_by_the_next_one_or_not_at_all(tmp_path):
    scene = sync(Scene().launch("k", 0, 10, 50, 1), 20, 45, 2)
    assert needs(scene, tmp_path) == ["unknown"]


def test_data_that_the_host_has_waited_for_is_there(tmp_path):
    scene = Scene().call("cudaMemcpyAsync", 0, 2, 1).memcpy(DTOH, 5, 30, 1)
    sync(scene, 10, 30, 2).launch("k", 50, 60, 50, 3)
    sync(scene, 60, 60, 4).launch("later", 200, 210, 50, 5)
    assert needs(sync(scene, 220, 45, 6), tmp_path) == ["data-for-host", "orders-nothing-seen", "unknown"]


def test_a_wait_of_a_stream_is_told_by_its_two_ends(tmp_path):
    scene = Scene().launch("producer", 0, 10, 90, 1, stream=7)
    event(scene, 3, 2, waited=7, waiting=13).launch("held", 8, 102, 10, 4, stream=13)
    event(scene, 20, 5, waited=7, waiting=7).launch("own", 26, 102, 10, 7, stream=7)
    event(scene, 150, 8, waited=7, waiting=13).launch("late", 158, 165, 10, 10, stream=13)
    event(scene, 170, 11, waited=7, waiting=13)
    expected = ["orders-streams", "orders-nothing-seen", "already-done", "orders-nothing-seen"]
    assert needs(scene, tmp_path) == expected


def test_where_events_order_the_streams_the_end_of_a_run_orders_nothing():
    """The healthy program puts torch's stream behind ORT's by `wait_stream`; the racy one relies on ORT's wait."""

    def of_run_ends(timeline: Timeline) -> list[Need]:
        waits = Analyses(timeline).waits.rows()
        return [wait.need for wait in waits if wait.role is WaitRole.RUN_END_OWN and wait.stall_ns]

    assert of_run_ends(captures.healthy()) == [Need.ORDERS_NOTHING_SEEN] * 4 + [Need.UNKNOWN]
    assert of_run_ends(captures.racy()) == [Need.ORDERS_STREAMS] * 5


# Random programs.

STREAMS, THREADS = (7, 13, 20), (PROCESS, 99)
STEPS = ("launch", "stream sync", "stream wait", "device sync", "event sync", "to host", "from host", "unresolved")
OFTEN = (*STEPS[:3] * 4, *STEPS[3:5] * 2, *STEPS[5:])


@dataclass
class _Program:
    """Runs steps one after the other, each on the thread whose turn is first, and works them off on the streams."""

    now_us: dict[int, int]
    """When each thread takes its next step."""
    scene: Scene = field(default_factory=Scene)
    free_us: dict[int, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    correlation: int = 0
    recorded: list[tuple[int, int, int]] = field(default_factory=list)
    """(stream, correlation, when it is reached) of each event."""

    def step(self, what: str, first: int, second: int, length_us: int) -> None:
        thread = min(self.now_us, key=lambda each: (self.now_us[each], each))
        start_us, stream, other = self.now_us[thread], STREAMS[first], STREAMS[second]
        self.correlation += 2
        number = self.correlation
        returned_us = start_us + 1
        if what in ("launch", "to host", "from host"):
            self._work(what, thread, start_us, stream, length_us)
        elif what == "stream wait":
            if not self.recorded or length_us % 3:
                self._record(thread, start_us, other, number - 1)
            # Now and then an event that was recorded long ago is waited for.
            waited, record, reached_us = self.recorded[-1 - (second if length_us % 3 == 0 else 0) % len(self.recorded)]
            self._call("cudaStreamWaitEvent", thread, start_us, 1)
            self.scene.wait(
                "Stream Wait Event", start_us, 1, number, stream=stream, waited_stream=waited, record=record
            )
            self.free_us[stream] = max(self.free_us[stream], reached_us)
        elif what == "unresolved":
            self._call("cudaEventSynchronize", thread, start_us, length_us)
            returned_us = start_us + length_us
        else:
            returned_us = self._host_wait(what, thread, start_us, stream, first) + 1
        self.now_us[thread] = returned_us + length_us % 3

    def _host_wait(self, what: str, thread: int, start_us: int, stream: int, choice: int) -> int:
        number, record = self.correlation, NONE
        kind, waited, until_us = "Stream Sync", NONE, self.free_us[stream]
        if what == "device sync":
            kind, until_us = "Context Sync", max(self.free_us.values())
        elif what == "event sync":
            if not self.recorded:
                self._record(thread, start_us, stream, number - 1)
            kind = "Event Sync"
            waited, record, until_us = self.recorded[choice % len(self.recorded)]
        end_us = max(start_us + 1, until_us)
        name = {"Stream Sync": "cudaStreamSynchronize", "Context Sync": "cudaDeviceSynchronize"}
        self._call(name.get(kind, "cudaEventSynchronize"), thread, start_us, end_us - start_us)
        own = stream if kind == "Stream Sync" else NONE
        self.scene.wait(kind, start_us, end_us - start_us, number, stream=own, waited_stream=waited, record=record)
        return end_us

    def _work(self, what: str, thread: int, start_us: int, stream: int, length_us: int) -> None:
        begins_us = max(start_us + 1, self.free_us[stream])
        self.free_us[stream] = begins_us + length_us
        self._call("cudaLaunchKernel" if what == "launch" else "cudaMemcpyAsync", thread, start_us, 1)
        if what == "launch":
            self.scene.kernel("k", begins_us, length_us, self.correlation, stream=stream)
        else:
            name = DTOH if what == "to host" else HTOD
            self.scene.memcpy(name, begins_us, length_us, self.correlation, stream=stream)

    def _record(self, thread: int, start_us: int, stream: int, correlation: int) -> None:
        self.scene.call("cudaEventRecord", start_us, 1, correlation, thread=thread)
        self.recorded.append((stream, correlation, self.free_us[stream]))

    def _call(self, name: str, thread: int, start_us: int, dur_us: int) -> None:
        self.scene.call(name, start_us, dur_us, self.correlation, thread=thread)


_STEP = st.tuples(st.sampled_from(OFTEN), st.integers(0, 2), st.integers(0, 2), st.integers(1, 40))


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 2), st.lists(_STEP, min_size=10, max_size=60))
def test_columns_say_what_a_reading_of_one_wait_at_a_time_says(threads, steps):
    program = _Program(now_us=dict.fromkeys(THREADS[:threads], 0))
    for step in steps:
        program.step(*step)
    with TemporaryDirectory() as name:
        timeline = program.scene.load(Path(name))
    reading = _Reading(timeline)
    for wait in reading.waits:
        assert (wait.need, set(wait.waited_streams)) == (reading.need(wait), reading.waited_streams(wait)), wait


@dataclass(frozen=True)
class _Work:
    span: int
    stream: int
    start_ns: int
    end_ns: int
    launch_ns: int
    lane: int
    correlation: int
    name: str


class _Reading:
    """The docstring of `Need`, wait by wait and work by work; one device, launches in the order of their ids."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.waits = tuple(Analyses(timeline).waits.rows())
        spans, launch = timeline.spans, timeline.links.launch
        self.work = [
            _Work(
                span=op,
                stream=timeline.lane_of(op).stream,
                start_ns=int(spans.start_ns[op]),
                end_ns=int(spans.end_ns[op]),
                launch_ns=int(spans.start_ns[launch[op]]),
                lane=int(spans.lane[launch[op]]),
                correlation=int(spans.correlation[op]),
                name=timeline.name_of(op),
            )
            for op in spans.of_kind(Kind.KERNEL, Kind.MEMCPY).tolist()
        ]

    def waited_streams(self, wait: Wait) -> set[int]:
        if wait.waiter is Waiter.STREAM:
            return {work.stream for work in self._covered(wait)}
        return {work.stream for work in self._unfinished(wait)}

    def need(self, wait: Wait) -> Need:
        if wait.stall_ns is None:
            return Need.UNKNOWN
        if wait.waiter is Waiter.STREAM:
            return self._need_of_stream(wait)
        return self._need_of_host(wait) if self._unfinished(wait) else Need.ALREADY_DONE

    def _need_of_host(self, wait: Wait) -> Need:
        unknown = [work for work in self._covered(wait) if not self._was_known(work, wait)]
        for copies, need in (("DtoH", Need.DATA_FOR_HOST), ("HtoD", Need.FREES_HOST_MEMORY)):
            if any(copies in work.name for work in unknown):
                return need
        following = {stream: self._next(wait, stream) for stream in self.waited_streams(wait)}
        if any(self._is_put_behind(wait, stream, end) for stream, end in following.items()):
            return Need.ORDERS_STREAMS
        return Need.UNKNOWN if None in following.values() else Need.ORDERS_NOTHING_SEEN

    def _need_of_stream(self, wait: Wait) -> Need:
        stream, covered = self._row(wait)[1], self._covered(wait)
        if not covered:
            return Need.ALREADY_DONE
        number = int(self.timeline.spans.correlation[wait.span])
        behind = [work for work in self._on(stream) if work.correlation > number]
        if not behind or stream in {work.stream for work in covered}:
            return Need.ORDERS_NOTHING_SEEN
        before = [work.end_ns for work in self._on(stream) if work.correlation < number]
        ready_ns = max([*before, wait.start_ns, behind[0].launch_ns])
        return Need.ALREADY_DONE if max(work.end_ns for work in covered) <= ready_ns else Need.ORDERS_STREAMS

    def _is_put_behind(self, wait: Wait, stream: int, end: Wait | None) -> bool:
        """Whether the thread launched work elsewhere before `end`, that no event had put behind this stream's."""
        return any(
            work.lane == wait.waiter_lane
            and work.stream != stream
            and work.launch_ns >= wait.end_ns
            and (end is None or work.launch_ns < end.start_ns)
            and not any(self._is_ordered(work, wait, stream, event) for event in self.waits)
            for work in self.work
        )

    def _is_ordered(self, work: _Work, wait: Wait, stream: int, event: Wait) -> bool:
        if event.waiter is not Waiter.STREAM or event.start_ns > work.launch_ns:
            return False
        mine = [each for each in self._covered(wait) if each.stream == stream]
        return self._row(event)[1] == work.stream and set(_spans(mine)) <= set(_spans(self._covered(event)))

    def _next(self, wait: Wait, stream: int) -> Wait | None:
        """The thread's next wait that covers this stream and finds any work unfinished."""
        later = [
            each
            for each in self.waits
            if each.start_ns > wait.start_ns
            and each.waiter is Waiter.HOST
            and each.waiter_lane == wait.waiter_lane
            and self._unfinished(each)
            and (self._row(each)[0] is WaitKind.DEVICE_SYNC or stream in {work.stream for work in self._covered(each)})
        ]
        return later[0] if later else None

    def _was_known(self, work: _Work, wait: Wait) -> bool:
        """Whether a wait of the host that had returned before this one began had waited for this work."""
        earlier = (each for each in self.waits if each.waiter is Waiter.HOST and each.end_ns <= wait.start_ns)
        return any(work in self._covered(each) for each in earlier if each is not wait)

    def _unfinished(self, wait: Wait) -> list[_Work]:
        return [work for work in self._covered(wait) if work.end_ns > wait.start_ns]

    def _covered(self, wait: Wait) -> list[_Work]:
        if wait.stall_ns is None:
            return []
        kind, stream, waited, record = self._row(wait)
        if kind in (WaitKind.EVENT_SYNC, WaitKind.STREAM_WAIT_EVENT):
            return [work for work in self._on(waited) if work.correlation < record]
        work = self.work if kind is WaitKind.DEVICE_SYNC else self._on(stream)
        return [each for each in work if each.launch_ns < wait.start_ns]

    def _on(self, stream: int) -> list[_Work]:
        return [work for work in self.work if work.stream == stream]

    def _row(self, wait: Wait) -> tuple[WaitKind, int, int, int]:
        waits = self.timeline.waits
        row = waits.span.tolist().index(wait.span)
        columns = (waits.stream, waits.waited_stream, waits.record_correlation)
        stream, waited, record = (int(column[row]) for column in columns)
        return WaitKind(int(waits.kind[row])), stream, waited, record


def _spans(work: Sequence[_Work]) -> list[int]:
    return [each.span for each in work]
