"""A capture on a page that may hold several: what its numbers, names and times are on the page.

Each capture is analysed by itself and only then numbered apart, so that what a page shows of it is what its own page
shows: ids that both have (processes, devices, streams, correlations) never meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ortprobe.report.rows.marks import REFS, Marks, MarkSheet, NamePool, PageLane, Ref
from ortprobe.report.rows.sheet import lay_out
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline

_CROWDED = 1 / 3
"""What takes less of the capture than this is zoomed to at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A judged capture with its place on the page."""

    judgement: Judgement
    view_ns: tuple[int, int]
    """The stretch to show at first, by the capture's own clock."""
    label: str = ""
    """Begins the labels of its lanes; empty where the page has one capture alone."""
    shift_ns: int = 0
    """Added to its times, so that they can be compared with those of another capture."""
    position: int = 0
    first: Mapping[Ref, int] = field(default_factory=lambda: dict.fromkeys(Ref, 0))
    """What the page numbers the first span, run … of this capture."""
    first_node: int = 0
    first_source: int = 0

    @property
    def timeline(self) -> Timeline:
        return self.judgement.analyses.timeline

    @property
    def start_ns(self) -> int:
        """Of the first span, where the page has it."""
        return self.timeline.start_ns + self.shift_ns

    @property
    def end_ns(self) -> int:
        """Of the last span, where the page has it."""
        return self.timeline.end_ns + self.shift_ns

    def numbered(self, values: Int32s | Int64s, ref: Ref = Ref.SPAN) -> Int64s:
        """The page's numbers of the capture's own; NONE stays."""
        return _raised(values, self.first[ref])

    def key(self, key: str) -> str:
        """The page's key of the mark with this key in the capture's own page; none stays none."""
        return f"{key[0]}{int(key[1:]) + self.first[Ref(key[0])]}" if key else key


def whole_page(judgement: Judgement) -> Side:
    """The one capture of a report. At first it shows where the GPU was traced, else the runs, when these would be lost
    in the whole."""
    return Side(judgement=judgement, view_ns=_telling_stretch(judgement))


def numbered_apart(sides: Sequence[Side]) -> tuple[Side, ...]:
    """The same captures, each with numbers of its own."""
    placed: list[Side] = []
    first, first_node, first_source = dict.fromkeys(Ref, 0), 0, 0
    for position, side in enumerate(sides):
        placed.append(
            replace(side, position=position, first=dict(first), first_node=first_node, first_source=first_source)
        )
        for ref, count in _counts(side.judgement).items():
            first[ref] += count
        first_node += len(side.timeline.nodes)
        first_source += len(side.timeline.sources)
    return tuple(placed)


def _telling_stretch(judgement: Judgement) -> tuple[int, int]:
    timeline, devices = judgement.analyses.timeline, judgement.analyses.idle.devices
    whole = timeline.start_ns, timeline.end_ns
    if devices:
        first_ns, last_ns = min(each.start_ns for each in devices), max(each.end_ns for each in devices)
    elif len(timeline.runs):
        first_ns, last_ns = int(timeline.runs.start_ns.min()), int(timeline.runs.end_ns.max())
    else:
        return whole
    if last_ns - first_ns > _CROWDED * (whole[1] - whole[0]):
        return whole
    margin_ns = (last_ns - first_ns) // 20
    return first_ns - margin_ns, last_ns + margin_ns


def _counts(judgement: Judgement) -> Mapping[Ref, int]:
    timeline, sessions = judgement.analyses.timeline, len(judgement.analyses.timeline.sessions)
    return {
        Ref.SPAN: len(timeline.spans),
        Ref.RUN: len(timeline.runs),
        Ref.CREATION: sessions,
        Ref.LIFE: sessions,
        Ref.WAIT: len(judgement.analyses.waits),
        Ref.PIECE: sum(len(device.columns.piece_gap) for device in judgement.analyses.idle.devices),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """What a capture gives to the page, in the page's numbers."""

    sheet: MarkSheet
    lanes: tuple[PageLane, ...]
    marks: Marks
    """Rows are those of the capture's own sheet."""
    page_name: Int64s
    """The capture's own names, and those its sheet added → the page's names."""

    def named(self, names: Int32s | Int64s) -> Int64s:
        """The page's names of the capture's own; NONE stays."""
        return np.append(self.page_name, NONE)[names]


def laid_out(side: Side, names: NamePool) -> LaidOut:
    """Lay one capture out; its names are added to those of the page."""
    own = NamePool(list(side.timeline.names))
    sheet = lay_out(side.judgement, own)
    page_name, marks = names.adopt(own.names), sheet.marks()
    first = np.array([side.first[ref] for ref in REFS], np.int64)
    return LaidOut(
        sheet=sheet,
        lanes=tuple(_of_side(lane, side) for lane in sheet.lanes),
        marks=replace(
            marks,
            start_ns=marks.start_ns + side.shift_ns,
            end_ns=marks.end_ns + side.shift_ns,
            name=page_name[marks.name],
            ref=marks.ref + first[marks.category],
            node=_raised(marks.node, side.first_node),
            run=side.numbered(marks.run, Ref.RUN),
            source=_raised(marks.source, side.first_source),
        ),
        page_name=page_name,
    )


def in_pairs(lanes: Sequence[PageLane]) -> list[int]:
    """Positions of lanes so that those of one role stand together, one capture's above the other's.

    The first capture sets the order. A lane that it lacks comes below the one that it follows in its own capture.
    """
    place: dict[tuple[str, int], int] = {}
    order: list[tuple[int, int, int]] = []
    seen: dict[tuple[int, str], int] = {}
    at, side = 0, 0
    for position, lane in enumerate(lanes):
        role = lane.role or lane.key
        count = seen[lane.side, role] = seen.get((lane.side, role), -1) + 1
        if lane.side != side:
            at, side = -1, lane.side
        if lane.side == 0:
            place[role, count] = position
        at = place.get((role, count), at)
        order.append((at, lane.side, position))
    return [position for _, _, position in sorted(order)]


def _of_side(lane: PageLane, side: Side) -> PageLane:
    if not side.label:
        return lane
    return replace(
        lane,
        key=f"{side.label}-{lane.key}",
        label=f"{side.label} · {lane.label}",
        role=lane.role or lane.key,
        side=side.position,
    )


def _raised(values: Int32s | Int64s, by: int) -> Int64s:
    numbers = values.astype(np.int64)
    return np.where(numbers == NONE, NONE, numbers + by)
