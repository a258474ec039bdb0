"""Pieces of idle gaps as columns: cut out of gaps, split along what a thread did, joined again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Spans, UInt8s
from ortprobe.timeline.groups import sum_by_group
from ortprobe.timeline.intervals import innermost_containing


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """What a thread did, gapless: segment i lasts from `points_ns[i]` to `points_ns[i + 1]`, the last one for ever."""

    points_ns: Int64s
    cause: UInt8s
    """Position in `CAUSES`; meaningless where `because` is NONE."""
    because: Int32s
    """The span that the thread was in; NONE where it was in none."""

    @classmethod
    def of(cls, spans: Spans, by_layer: Sequence[Int64s], cause: UInt8s) -> Segments:
        """What spans of one thread say, each moment in one of them: of the first layer, and there the innermost.

        `by_layer` holds indices of spans, in order; `cause` has an entry for each span there is.
        """
        everything = np.concatenate(by_layer)
        # numpy's `unique` hashes whole numbers, which costs several times what sorting these nearly sorted ones does.
        points_ns = np.sort(np.concatenate((spans.start_ns[everything], spans.end_ns[everything])), kind="stable")
        points_ns = points_ns[np.append(points_ns[1:] != points_ns[:-1], np.ones(min(len(points_ns), 1), np.bool_))]
        because = np.full(len(points_ns), NONE, np.int32)
        for members in (_nested(spans, layer) for layer in reversed(by_layer)):
            if len(members):
                row = innermost_containing(spans.start_ns[members], spans.end_ns[members], points_ns)
                because = np.where(row == NONE, because, members[row]).astype(np.int32)
        return cls(points_ns=points_ns, cause=cause[because], because=because)


def _nested(spans: Spans, members: Int64s) -> Int64s:
    """Spans with what encloses others first, also where both have the same times: ORT writes whole µs, and a subgraph
    of one node lasts hardly longer than that node. By kind, a run comes before its nodes."""
    start_ns, end_ns = spans.start_ns[members], spans.end_ns[members]
    if not ((start_ns[1:] == start_ns[:-1]) & (end_ns[1:] == end_ns[:-1])).any():
        return members
    return members[np.lexsort((spans.kind[members], -end_ns, start_ns))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Disjoint pieces of gaps. All columns have the same length."""

    gap: Int32s
    start_ns: Int64s
    end_ns: Int64s
    cause: UInt8s
    """Position in `CAUSES`."""
    because: Int32s

    @classmethod
    def whole(cls, start_ns: Int64s, end_ns: Int64s) -> Pieces:
        """One piece a gap, its cause not known yet."""
        count = len(start_ns)
        return cls(
            gap=np.arange(count, dtype=np.int32),
            start_ns=start_ns,
            end_ns=end_ns,
            cause=np.full(count, CAUSES.index(IdleCause.UNATTRIBUTED), np.uint8),
            because=np.full(count, NONE, np.int32),
        )

    def where(
        self,
        mask: Bools,
        cause: IdleCause,
        *,
        start_ns: Int64s | None = None,
        end_ns: Int64s | None = None,
        because: Int32s | None = None,
    ) -> Pieces:
        """The pieces in `mask`, with a cause, from `start_ns` to `end_ns` instead of their own; empty ones vanish."""
        start_ns = self.start_ns if start_ns is None else start_ns
        end_ns = self.end_ns if end_ns is None else end_ns
        keep = mask & (end_ns > start_ns)
        return Pieces(
            gap=self.gap[keep],
            start_ns=start_ns[keep],
            end_ns=end_ns[keep],
            cause=np.full(int(keep.sum()), CAUSES.index(cause), np.uint8),
            because=np.full(int(keep.sum()), NONE, np.int32) if because is None else because[keep],
        )

    def rows(self, mask: Bools) -> Pieces:
        """The pieces in `mask`, as they are."""
        return Pieces(
            gap=self.gap[mask],
            start_ns=self.start_ns[mask],
            end_ns=self.end_ns[mask],
            cause=self.cause[mask],
            because=self.because[mask],
        )

    def within(self, from_ns: Int64s, until_ns: Int64s) -> Pieces:
        """Of each piece what lies in its gap's stretch, with one stretch for each gap."""
        start_ns = np.maximum(self.start_ns, from_ns[self.gap])
        end_ns = np.minimum(self.end_ns, until_ns[self.gap])
        kept = replace(self, start_ns=start_ns, end_ns=end_ns)
        return kept.rows(end_ns > start_ns)

    @classmethod
    def joined(cls, parts: Sequence[Pieces]) -> Pieces:
        """All parts in time order; neighbours that say the same become one."""
        start_ns = np.concatenate([part.start_ns for part in parts])
        order = np.argsort(start_ns, kind="stable")
        start_ns = start_ns[order]
        gap, end_ns, cause, because = (
            np.concatenate([getattr(part, column) for part in parts])[order]
            for column in ("gap", "end_ns", "cause", "because")
        )
        same = (gap[1:] == gap[:-1]) & (cause[1:] == cause[:-1]) & (because[1:] == because[:-1])
        opens = np.concatenate((np.ones(min(len(gap), 1), np.bool_), ~same))
        closes = np.concatenate((~same, np.ones(min(len(gap), 1), np.bool_)))
        return cls(
            gap=gap[opens], start_ns=start_ns[opens], end_ns=end_ns[closes], cause=cause[opens], because=because[opens]
        )


def split(pieces: Pieces, segments: Segments) -> Pieces:
    """The same time, cut at the segments' borders: inside a span, with its cause; elsewhere, the piece's own."""
    if not len(segments.points_ns) or not len(pieces.gap):
        return pieces
    first = np.searchsorted(segments.points_ns, pieces.start_ns, side="right") - 1
    last = np.searchsorted(segments.points_ns, pieces.end_ns, side="left") - 1
    count = last - first + 1
    parent = np.repeat(np.arange(len(count)), count)
    segment = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count - first, count)
    point_ns = np.append(segments.points_ns, np.iinfo(np.int64).max)
    start_ns = np.where(segment >= 0, point_ns[segment], np.iinfo(np.int64).min)
    inside = (segment >= 0) & (segments.because[segment] != NONE)
    return Pieces(
        gap=pieces.gap[parent],
        start_ns=np.maximum(start_ns, pieces.start_ns[parent]),
        end_ns=np.minimum(point_ns[segment + 1], pieces.end_ns[parent]),
        cause=np.where(inside, segments.cause[segment], pieces.cause[parent]).astype(np.uint8),
        because=np.where(inside, segments.because[segment], pieces.because[parent]).astype(np.int32),
    )


def by_cause(pieces: Pieces) -> dict[IdleCause, int]:
    """Summed lengths in ns, the dearest first; causes that did not occur are not in it."""
    sums = sum_by_group(pieces.cause, pieces.end_ns - pieces.start_ns, len(CAUSES))
    return {CAUSES[row]: int(sums[row]) for row in np.argsort(-sums, kind="stable").tolist() if sums[row]}
