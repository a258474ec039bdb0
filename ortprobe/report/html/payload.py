"""The timeline's data as the page carries it: encoded marks, and one JSON object that explains them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from ortprobe.analysis.races.memory_order import Verdict
from ortprobe.report.html.columns import Encoded, deflate, encode
from ortprobe.report.html.side import LaidOut, Side, in_pairs, laid_out
from ortprobe.report.rows.marks import REFS, Category, Marks, NamePool, Ref
from ortprobe.timeline import NONE, Int32s, Int64s

_DELTA = frozenset({"start", "ref", "correlation", "row", "node"})
_MAX_TRIMS = 6
_EXPENDABLE = (Category.CUDA_CALL, Category.OVERHEAD, Category.RECORD, Category.TORCH, Category.RANGE, Category.LAUNCH)
"""What goes first when the page must be smaller, the shortest of each first; what is not named here goes last."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The blocks of text that the page embeds."""

    model: Mapping[str, object]
    """Goes in as JSON."""
    marks: str
    waits: str
    pieces: str
    races: str
    arena: str
    names: str
    marks_shown: int
    marks_left_out: int

    @property
    def bytes_per_mark(self) -> float:
        """What one mark costs in the page, without the names."""
        return len(self.marks) / max(1, self.marks_shown)


def build_payload(sides: Sequence[Side], budget_bytes: int, *, aligned: Sequence[str] = ()) -> Payload:
    """Lay captures out on one axis and encode them; marks that don't fit into `budget_bytes` of text are left out and
    counted.

    What findings and problems cite as evidence always stays.

    Args:
        sides: `numbered_apart`.
        aligned: keys of marks, one of each capture, that the captures were shifted to let begin together.
    """
    names = NamePool([])
    parts = [laid_out(side, names) for side in sides]
    zero_ns, end_ns = min(side.start_ns for side in sides), max(side.end_ns for side in sides)
    lanes = [lane for part in parts for lane in part.lanes]
    order = in_pairs(lanes)
    rows, everything = _on_one_sheet(parts, order)
    marks, encoded = _within_budget(everything, _cited(sides), zero_ns, budget_bytes)
    waits, pieces, races = _encode_waits(sides), _encode_pieces(sides), _encode_races(sides)
    arena = _encode_arena(sides, zero_ns)
    model = {
        "start_ns": str(zero_ns),
        "span_ns": end_ns - zero_ns,
        "first_view": _first_view(sides, zero_ns),
        "aligned": list(aligned),
        "sides": [_side(side, zero_ns) for side in sides],
        "lanes": [asdict(lanes[position]) for position in order],
        "rows": rows,
        "row_offsets": np.searchsorted(marks.row, np.arange(len(rows) + 1)).tolist(),
        "marks": _spec(encoded),
        "waits": _spec(waits),
        "pieces": _spec(pieces),
        "races": _spec(races),
        "arena": _spec(arena),
        "categories": [category.name for category in Category],
        "refs": [ref.value for ref in REFS],
        "nodes": _nodes(sides, parts),
        "sources": [source.path for side in sides for source in side.timeline.sources],
        "runs_session": [
            session for side in sides for session in side.numbered(side.timeline.runs.session, Ref.CREATION).tolist()
        ],
        "replaces": [
            None if session.replaces is None else session.replaces + side.first[Ref.CREATION]
            for side in sides
            for session in side.timeline.sessions
        ],
        "sites": {span: site for side, part in zip(sides, parts, strict=True) for span, site in _sites(side, part)},
    }
    return Payload(
        model=model,
        marks=encoded.text,
        waits=waits.text,
        pieces=pieces.text,
        races=races.text,
        arena=arena.text,
        names=deflate(json.dumps(names.names, separators=(",", ":")).encode()),
        marks_shown=len(marks),
        marks_left_out=len(everything) - len(marks),
    )


def _on_one_sheet(parts: Sequence[LaidOut], order: Sequence[int]) -> tuple[list[list[object]], Marks]:
    """Rows as the page has them, lanes in this order; and all marks with their rows."""
    place = {position: lane for lane, position in enumerate(order)}
    rows: list[list[object]] = []
    marks: list[Marks] = []
    first_lane = 0
    for part in parts:
        marks.append(replace(part.marks, row=part.marks.row + len(rows)))
        rows += [[place[first_lane + row.lane], row.layer, row.depth, row.heat] for row in part.sheet.rows]
        first_lane += len(part.lanes)
    return rows, Marks.joined(marks)


def _cited(sides: Sequence[Side]) -> Int64s:
    """Spans that findings and problems cite."""
    cited: list[Int64s] = []
    for side in sides:
        shown = [finding.evidence for finding in side.judgement.findings]
        shown += [problem.evidence for problem in side.judgement.analyses.integrity.problems]
        cited += [side.numbered(np.array(spans, np.int64)) for spans in shown]
    return _joined(cited)


def _side(side: Side, zero_ns: int) -> dict[str, object]:
    return {
        "label": side.label,
        "start": side.start_ns - zero_ns,
        "first": {ref.value: number for ref, number in side.first.items()},
    }


def _within_budget(marks: Marks, cited: Int64s, zero_ns: int, budget_bytes: int) -> tuple[Marks, Encoded]:
    encoded = _encode_marks(marks, zero_ns)
    for _ in range(_MAX_TRIMS):
        if len(encoded.text) <= budget_bytes or not len(marks):
            break
        room = int(len(marks) * budget_bytes / len(encoded.text) * 0.95)
        marks = marks.take(np.sort(_by_worth(marks, cited)[:room]))
        encoded = _encode_marks(marks, zero_ns)
    return marks, encoded


def _by_worth(marks: Marks, cited: Int64s) -> Int64s:
    """Positions of marks, the most worth keeping first."""
    worth_of_category = np.full(len(Category), len(_EXPENDABLE), np.int64)
    worth_of_category[list(_EXPENDABLE)] = np.arange(len(_EXPENDABLE))
    worth = worth_of_category[marks.category]
    worth[np.isin(marks.ref, cited)] = len(_EXPENDABLE) + 1
    return np.lexsort((marks.start_ns - marks.end_ns, -worth))


def _encode_marks(marks: Marks, zero_ns: int) -> Encoded:
    columns = {
        "start": marks.start_ns - zero_ns,
        "duration": marks.end_ns - marks.start_ns,
        "name": marks.name,
        "category": marks.category,
        "ref": marks.ref,
        "node": marks.node,
        "run": marks.run,
        "correlation": marks.correlation,
        "source": marks.source,
        "row": marks.source_row,
    }
    return encode(columns, _DELTA)


def _encode_waits(sides: Sequence[Side]) -> Encoded:
    waits = [(side, side.judgement.analyses.waits) for side in sides]
    columns = {
        "span": _joined([side.numbered(each.span) for side, each in waits]),
        "call": _joined([side.numbered(each.call) for side, each in waits]),
        "work": _joined([side.numbered(each.work) for side, each in waits]),
        "stall": _joined([each.stall_ns for _, each in waits]),
    }
    return encode(columns, _DELTA)


def _encode_pieces(sides: Sequence[Side]) -> Encoded:
    """Of each idle piece, the span that shows its cause and the work that ended its gap."""
    devices = [(side, each.columns) for side in sides for each in side.judgement.analyses.idle.devices]
    columns = {
        "because": _joined([side.numbered(each.piece_because) for side, each in devices]),
        "ended_by": _joined([side.numbered(each.ended_by[each.piece_gap]) for side, each in devices]),
    }
    return encode(columns, frozenset(columns))


def _encode_races(sides: Sequence[Side]) -> Encoded:
    """Of each race the last work of the first access, the first work of the second, and the time between them."""
    races = [(side, race) for side in sides for race in side.judgement.analyses.races.of_verdict(Verdict.RACE)]
    pairs = np.array(
        [(race.first.end + side.first[Ref.SPAN], race.second.begin + side.first[Ref.SPAN]) for side, race in races],
        np.int64,
    ).reshape(-1, 2)
    slack_ns = np.array([race.slack_ns for _, race in races], np.int64)
    return encode({"first": pairs[:, 0], "second": pairs[:, 1], "slack": slack_ns}, _DELTA)


def _encode_arena(sides: Sequence[Side], zero_ns: int) -> Encoded:
    """When nodes made onnxruntime's arenas grow or shrink, and what all of them held from then on; by capture."""
    times, held, of_side = [], [], []
    for side in sides:
        nodes = side.timeline.node_spans
        rows = np.flatnonzero(nodes.arena_growth_bytes)
        end_ns = side.timeline.spans.end_ns[nodes.span[rows]] + side.shift_ns
        order = np.argsort(end_ns, kind="stable")
        times.append(end_ns[order] - zero_ns)
        held.append(np.cumsum(nodes.arena_growth_bytes[rows[order]]))
        of_side.append(np.full(len(rows), side.position, np.int64))
    columns = {"time": _joined(times), "held": _joined(held), "side": _joined(of_side)}
    return encode(columns, frozenset({"time", "held"}))


def _joined(parts: Sequence[Int32s | Int64s]) -> Int64s:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def _spec(encoded: Encoded) -> dict[str, object]:
    return {
        "length": encoded.length,
        "columns": [[each.name, each.width, each.delta] for each in encoded.specs],
    }


def _nodes(sides: Sequence[Side], parts: Sequence[LaidOut]) -> dict[str, list[int]]:
    nodes = [(side, part, side.timeline.nodes) for side, part in zip(sides, parts, strict=True)]
    return {
        "session": _joined([side.numbered(each.session, Ref.CREATION) for side, _, each in nodes]).tolist(),
        "name": _joined([part.named(each.name) for _, part, each in nodes]).tolist(),
        "op_type": _joined([part.named(each.op_type) for _, part, each in nodes]).tolist(),
        "provider": _joined([part.named(each.provider) for _, part, each in nodes]).tolist(),
    }


def _first_view(sides: Sequence[Side], zero_ns: int) -> list[int]:
    """The stretch that shows at first what each capture would show at first."""
    first_ns = min(side.view_ns[0] + side.shift_ns for side in sides)
    last_ns = max(side.view_ns[1] + side.shift_ns for side in sides)
    return [first_ns - zero_ns, last_ns - zero_ns]


def _sites(side: Side, part: LaidOut) -> Iterator[tuple[int, int]]:
    """Hook spans → the name that holds the program's own `file:line`."""
    hooks = side.timeline.hooks
    known = hooks.site != NONE
    spans, sites = side.numbered(hooks.span[known]), part.named(hooks.site[known])
    return zip(spans.tolist(), sites.tolist(), strict=True)
