"""What the timeline draws: marks on rows, rows on lanes. A row is one lane's layer at one depth, free of overlaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum

import numpy as np

from ortprobe.timeline import NONE, Int32s, Int64s


class Category(IntEnum):
    """Colour and pattern of a mark. `js/palette.js` has an entry for each, in this order."""

    HOOK = 0
    TORCH = 1
    RANGE = 2
    ORT_SETUP = 3
    ORT_RUN = 4
    ORT_NODE = 5
    LAUNCH = 6
    CUDA_CALL = 7
    OVERHEAD = 8
    KERNEL = 9
    COPY = 10
    FILL = 11
    RECORD = 12
    HOST_WAIT = 13
    STREAM_WAIT = 14
    SESSION = 15
    CREATION = 16
    RE_INIT = 17
    RUN = 18
    FIRST_RUN = 19
    IDLE_HOST = 20
    IDLE_SETUP = 21
    IDLE_WAIT = 22
    IDLE_LAUNCH = 23
    IDLE_PROFILER = 24
    IDLE_END = 25
    UNATTRIBUTED = 26
    OTHER = 27


class Ref(StrEnum):
    """What the `ref` of a mark numbers. With the number, the letter is the mark's key: `s12` is span 12."""

    SPAN = "s"
    RUN = "r"
    CREATION = "c"
    """Of a session."""
    LIFE = "l"
    """Of a session, from when it was ready."""
    WAIT = "w"
    PIECE = "i"
    """Of idle time."""


_REF_OF_CATEGORY: Mapping[Category, Ref] = {
    Category.SESSION: Ref.LIFE,
    Category.CREATION: Ref.CREATION,
    Category.RE_INIT: Ref.CREATION,
    Category.RUN: Ref.RUN,
    Category.FIRST_RUN: Ref.RUN,
    Category.HOST_WAIT: Ref.WAIT,
    Category.STREAM_WAIT: Ref.WAIT,
    Category.IDLE_HOST: Ref.PIECE,
    Category.IDLE_SETUP: Ref.PIECE,
    Category.IDLE_WAIT: Ref.PIECE,
    Category.IDLE_LAUNCH: Ref.PIECE,
    Category.IDLE_PROFILER: Ref.PIECE,
    Category.IDLE_END: Ref.PIECE,
    Category.UNATTRIBUTED: Ref.PIECE,
}

REFS = tuple(_REF_OF_CATEGORY.get(category, Ref.SPAN) for category in Category)
"""What the marks of each category refer to."""


@dataclass(frozen=True, slots=True)
class PageLane:
    """A group of rows under one label that folds as one."""

    key: str
    label: str
    note: str = ""
    folded: bool = False
    counter: str = ""
    """What it counts over time, by its name in `js/counters.js`; empty for lanes of marks."""
    role: str = ""
    """What it is in its capture, and in another one, too; where empty, the key says it."""
    side: int = 0
    """Position of its capture among those of the page."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline."""

    lane: int
    """Index of the `PageLane`."""
    layer: str
    depth: int
    heat: bool
    """Whether the minimap shows it."""


@dataclass(slots=True)
class MarkBlock:
    """Marks of one layer of one lane, sorted by start. Columns not given are filled with NONE."""

    start_ns: Int64s
    end_ns: Int64s
    name: Int32s
    category: Int32s
    ref: Int32s
    """Number of the span, run, session, idle piece or wait, by category: see `REFS`."""
    node: Int32s | None = None
    run: Int32s | None = None
    correlation: Int64s | None = None
    source: Int32s | None = None
    source_row: Int32s | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """All marks sorted by row, then start; every column is int64 and of the same length."""

    row: Int64s
    start_ns: Int64s
    end_ns: Int64s
    name: Int64s
    category: Int64s
    ref: Int64s
    node: Int64s
    run: Int64s
    correlation: Int64s
    source: Int64s
    source_row: Int64s

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: Int64s) -> Marks:
        """The marks at these positions, which must be ascending."""
        return Marks(*(getattr(self, each.name)[keep] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Marks]) -> Marks:
        """The marks of several sheets, whose rows must rise from each to the next."""
        return cls(*(_joined([getattr(part, each.name) for part in parts]) for each in fields(cls)))


@dataclass(slots=True)
class NamePool:
    """The timeline's names, and more of the page's own behind them."""

    names: list[str]
    _index: dict[str, int] = field(default_factory=dict)

    def index(self, name: str) -> int:
        """Position of a name, which is added when it is not there."""
        if name not in self._index:
            self._index[name] = len(self.names)
            self.names.append(name)
        return self._index[name]

    def adopt(self, names: Sequence[str]) -> Int64s:
        """Position here of each of these names."""
        return np.array([self.index(name) for name in names], np.int64)


class MarkSheet:
    """Collects lanes and their layers, and gives every mark its row."""

    def __init__(self) -> None:
        self.lanes: list[PageLane] = []
        self.rows: list[Row] = []
        self._blocks: list[tuple[Int64s, MarkBlock]] = []

    def lane(self, lane: PageLane) -> int:
        """Open a lane below the ones before; returns its index."""
        self.lanes.append(lane)
        return len(self.lanes) - 1

    def layer(self, lane: int, layer: str, block: MarkBlock, *, heat: bool = False) -> None:
        """Add marks to a lane, on as many rows as they need; a layer without marks takes no row."""
        if not len(block.start_ns):
            return
        depth = stack_depths(block.start_ns, block.end_ns)
        first = len(self.rows)
        for each in range(int(depth.max()) + 1):
            self.rows.append(Row(lane, layer, each, heat and each == 0))
        self._blocks.append((depth + first, block))

    def marks(self) -> Marks:
        """Everything added so far."""
        row = _joined([rows for rows, _ in self._blocks])
        columns = {
            each.name: _joined([_column(block, each.name) for _, block in self._blocks]) for each in fields(MarkBlock)
        }
        order = np.lexsort((columns["start_ns"], row))
        return Marks(row=row[order], **{name: values[order] for name, values in columns.items()})


def stack_depths(start_ns: Int64s, end_ns: Int64s) -> Int64s:
    """The first free row for each interval, in order of start: nested calls get their depth.

    Within a row intervals never overlap. Of intervals that start together, the longest must come first.
    """
    depths = np.zeros(len(start_ns), np.int64)
    row_ends: list[int] = []
    for index, (start, end) in enumerate(zip(start_ns.tolist(), end_ns.tolist(), strict=True)):
        for depth, row_end in enumerate(row_ends):
            if row_end <= start:
                row_ends[depth], depths[index] = end, depth
                break
        else:
            depths[index] = len(row_ends)
            row_ends.append(end)
    return depths


def _column(block: MarkBlock, name: str) -> Int64s:
    values: Int64s | Int32s | None = getattr(block, name)
    if values is None:
        return np.full(len(block.start_ns), NONE, np.int64)
    return values.astype(np.int64)


def _joined(parts: Sequence[Int64s]) -> Int64s:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
