"""Steps of the wall clock during a capture: where they lie, and one clock for what was recorded around them.

CLOCK_REALTIME can be set while CLOCK_MONOTONIC can't, and NTP slews both together (clock_gettime(2)). So where the
distance of the two changes between two neighbouring readings, the wall clock was stepped between them. A virtual
machine or sandbox that keeps the two clocks apart may slew one of them: by at most 500 ppm (adjtimex(2)).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from statistics import median_low

import numpy as np
from msgspec.structs import replace as with_fields

from ortprobe.bundle import (
    Access,
    Anchor,
    AnyRecord,
    Bundle,
    ClockAnchor,
    Window,
)
from ortprobe.ingest.sources.ort_profile import OrtProfile
from ortprobe.timeline import Bools, Problem, ProblemKind

_READING_NS = 10_000
"""What reading two clocks one after the other explains beyond the time that it took."""
_MOST_SLEW = 500e-6
_SLEWS_FROM = 1e-6
"""Clocks that drift apart faster than this between most readings are slewed one without the other."""
_WRITTEN_LATE_NS = 1_000_000_000
"""A thread may lose the processor between reading the clock and writing what it read."""
_NEVER_NS = 1 << 62
_TIMES = ("start_ns", "end_ns", "at_ns", "profile_start_ns")
"""Fields of records that hold a time of the wall clock."""
_OF_BEGINNING = ("start_ns", "profile_start_ns")
"""Those of them that were read when a record's `began_monotonic_ns` was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The clocks at one moment, and how many records of the log lie before it."""

    realtime_ns: int
    monotonic_ns: int
    bracket_ns: int
    at: int

    @property
    def distance_ns(self) -> int:
        return self.realtime_ns - self.monotonic_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The wall clock was set between two readings. Times are on the clock of the capture's start."""

    before: Reading
    after: Reading
    step_ns: int
    """By how much it was set forward; negative when it was set back."""
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedClock:
    """The wall clock of one capture: what to subtract from its times to have them all on the clock of its start."""

    steps: tuple[Step, ...] = ()
    offsets_ns: tuple[int, ...] = (0,)
    """How far ahead of its start the clock is before the first step, after it, after the second, …"""
    places: tuple[int, ...] = ()
    """How many records of the log lie before each reading of the clocks."""
    readings_ns: tuple[int, ...] = ()
    """When those were, on the clock of the capture's start."""

    def segment_at(self, monotonic_ns: int) -> int:
        """How many steps lie before a moment that is known by CLOCK_MONOTONIC."""
        return bisect_right(self.steps, monotonic_ns, key=lambda step: step.after.monotonic_ns)

    def to_start(self, time_ns: int, at: int) -> int:
        """A time that a record at this place in the log states, on the clock of the capture's start.

        The place says how many steps there had been when it was written. A call that lasted through one began on the
        clock of before it, which shows where its time is none of the clock after it: before the step, or in the future.
        It does not show for one that began less than a step back before it, which is taken to have begun later.
        A call written between the two readings around a step, with a time of after the second, was made after it.
        """
        written = bisect_right(self.steps, at, key=lambda step: step.after.at)
        for segment in range(written, -1, -1):
            moved_ns = time_ns - self.offsets_ns[segment]
            if (segment == 0 or moved_ns >= self.steps[segment - 1].start_ns) and moved_ns <= self._latest_ns(at):
                break
        else:
            segment = written
        while segment < len(self.steps) and time_ns - self.offsets_ns[segment] > self.steps[segment].end_ns:
            segment += 1
        return time_ns - self.offsets_ns[segment]

    def _latest_ns(self, at: int) -> int:
        """When the clocks were read next after this place in the log, with room for threads that write late."""
        following = bisect_right(self.places, at)
        return self.readings_ns[following] + _WRITTEN_LATE_NS if following < len(self.places) else _NEVER_NS

    def problems(self) -> list[Problem]:
        """Each step, with the stretch in which it was made."""
        return [
            Problem(
                kind=ProblemKind.CLOCK_STEPPED,
                detail=f"the wall clock was stepped by {step.step_ns / 1e3:,.0f} µs during the capture",
                start_ns=step.start_ns,
                end_ns=step.end_ns,
            )
            for step in self.steps
        ]

    def first_within(self, began_monotonic_ns: int, start_ns: int, at: int) -> Step | None:
        """The first step that may have been made between a beginning and the record at this place in the log.

        Where the monotonic time of the beginning is not known (0), it is taken by its wall clock time, on the clock of
        the capture's start.
        """
        for step in self.steps:
            over_ns, began_ns = step.end_ns, start_ns
            if began_monotonic_ns:
                over_ns, began_ns = step.after.monotonic_ns, began_monotonic_ns
            if began_ns < over_ns and step.before.at < at:
                return step
        return None


def clock_of(bundle: Bundle) -> SteppedClock:
    """The steps that a bundle's readings of the clocks show."""
    readings = _readings(bundle)
    steps = tuple(_steps(readings))
    ahead_ns = (0, *accumulate(step.step_ns for step in steps))
    after = {step.after for step in steps}
    segments = accumulate(reading in after for reading in readings)
    return SteppedClock(
        steps=steps,
        offsets_ns=ahead_ns,
        places=tuple(reading.at for reading in readings),
        readings_ns=tuple(
            reading.realtime_ns - ahead_ns[segment] for reading, segment in zip(readings, segments, strict=True)
        ),
    )


def located(bundle: Bundle, clock: SteppedClock) -> SteppedClock:
    """The steps that the readings in the log put into a part of it: without such readings none."""
    return clock if any(isinstance(record, Anchor) for record in bundle.records) else SteppedClock()


def on_one_clock(bundle: Bundle, clock: SteppedClock) -> Bundle:
    """The bundle with all times of its records on the clock of its start; the same one where there was no step."""
    if not clock.steps:
        return bundle
    return replace(bundle, records=tuple(_moved(bundle.records, clock)))


def trace_offset_ns(window: Window, at: int, clock: SteppedClock) -> int:
    """What to subtract from the times of the trace of a window as its record states it, at this place in the log."""
    if window.began_monotonic_ns:
        return clock.offsets_ns[clock.segment_at(window.began_monotonic_ns)]
    return window.start_ns - clock.to_start(window.start_ns, at)


def until_step(profile: OrtProfile, step: Step, profile_start_ns: int, ended_ns: int) -> OrtProfile:
    """What of a profile ended before the step, and nothing of what came after it.

    ORT's times are differences of the wall clock (`std::chrono::high_resolution_clock` of libstdc++), so that those
    after a step are wrong by it, and after a step back may be taken for earlier ones. When the profile started and
    ended is on the clock of the capture's start.
    """
    first_ns = step.start_ns - profile_start_ns
    last_ns = first_ns + min(step.step_ns, 0)
    kept = profile.end_ns <= last_ns
    left_out = int((~kept).sum())
    if not left_out:
        return profile
    detail = f"{profile.path}: {left_out:,} of its {len(profile):,} events lie beyond a step of the wall clock, which "
    detail += "makes their times wrong, so they are left out"
    problem = Problem(
        kind=ProblemKind.PROFILE_TRUNCATED,
        detail=detail,
        count=left_out,
        start_ns=max(last_ns, 0),
        end_ns=max(ended_ns - profile_start_ns, first_ns),
    )
    return replace(_rows_of(profile, kept), is_cut_off=True, problems=(*profile.problems, problem))


def _readings(bundle: Bundle) -> list[Reading]:
    manifest, records = bundle.manifest, bundle.records
    written = [_reading(record, at) for at, record in enumerate(records) if isinstance(record, Anchor)]
    ending = [_reading(manifest.ending.clock, len(records))] if manifest.ending else []
    return [_reading(manifest.clock, 0), *written, *ending]


def _reading(anchor: Anchor | ClockAnchor, at: int) -> Reading:
    return Reading(
        realtime_ns=anchor.realtime_ns, monotonic_ns=anchor.monotonic_ns, bracket_ns=anchor.bracket_ns, at=at
    )


def _steps(readings: Sequence[Reading]) -> Iterator[Step]:
    slew = _slew(readings)
    ahead_ns = 0
    for before, after in pairwise(readings):
        step_ns = after.distance_ns - before.distance_ns
        allowed_ns = _READING_NS + before.bracket_ns + after.bracket_ns + slew * _apart_ns(before, after)
        if abs(step_ns) > allowed_ns:
            start_ns, end_ns = before.realtime_ns - ahead_ns, after.realtime_ns - ahead_ns - step_ns
            yield Step(before=before, after=after, step_ns=step_ns, start_ns=start_ns, end_ns=max(start_ns, end_ns))
            ahead_ns += step_ns


def _slew(readings: Sequence[Reading]) -> float:
    """How fast the two clocks may drift apart: not at all, unless they do so between most readings."""
    rates = [0.0]
    for before, after in pairwise(readings):
        beyond_ns = abs(after.distance_ns - before.distance_ns) - before.bracket_ns - after.bracket_ns
        rates.append(max(beyond_ns, 0) / max(_apart_ns(before, after), 1))
    return _MOST_SLEW if median_low(rates) > _SLEWS_FROM else 0.0


def _apart_ns(before: Reading, after: Reading) -> int:
    return max(after.monotonic_ns - before.monotonic_ns, 0)


def _moved(records: Sequence[AnyRecord], clock: SteppedClock) -> Iterator[AnyRecord]:
    of_trace_ns = 0
    for at, record in enumerate(records):
        if isinstance(record, Window):
            of_trace_ns = trace_offset_ns(record, at, clock)
        if isinstance(record, Anchor):
            yield record
        elif isinstance(record, Access):  # torch's profiler read its times, for the trace that was written before
            start_ns, end_ns = record.start_ns - of_trace_ns, record.end_ns - of_trace_ns
            yield with_fields(record, start_ns=start_ns, end_ns=end_ns)
        else:
            yield with_fields(record, **dict(_times(record, at, clock)))


def _times(record: AnyRecord, at: int, clock: SteppedClock) -> Iterator[tuple[str, int]]:
    """The times of the wall clock in a record, moved. 0 stands for what is not known."""
    began_monotonic_ns = getattr(record, "began_monotonic_ns", 0)
    began_ns = clock.offsets_ns[clock.segment_at(began_monotonic_ns)]
    for name in _TIMES:
        time_ns: int = getattr(record, name, 0)
        if time_ns:
            is_of_beginning = began_monotonic_ns and name in _OF_BEGINNING
            yield name, time_ns - began_ns if is_of_beginning else clock.to_start(time_ns, at)


def _rows_of(profile: OrtProfile, kept: Bools) -> OrtProfile:
    """The chosen events of a profile."""
    number = np.cumsum(kept, dtype=np.int32) - 1
    executed = kept[profile.node_span]
    return replace(
        profile,
        rows=profile.rows[kept],
        start_ns=profile.start_ns[kept],
        end_ns=profile.end_ns[kept],
        kinds=profile.kinds[kept],
        name=profile.name[kept],
        place=profile.place[kept],
        node_span=number[profile.node_span[executed]].astype(np.int32),
        node=profile.node[executed],
        input_shapes=profile.input_shapes[executed],
        output_bytes=profile.output_bytes[executed],
        arena_growth_bytes=profile.arena_growth_bytes[executed],
    )
