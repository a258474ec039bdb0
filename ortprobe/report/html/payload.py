"""The timeline's data as the page carries it: encoded marks, and one JSON object that explains them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ortprobe.analysis.races.memory_order import Verdict
from ortprobe.report.html.columns import Encoded, deflate, encode
from ortprobe.report.html.marks import Category, Marks, NamePool
from ortprobe.report.html.sheet import lay_out
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline

_DELTA = frozenset({"start", "ref", "correlation", "row", "node"})
_MAX_TRIMS = 6
_CROWDED = 1 / 3
"""What takes less of the capture than this is zoomed to at first."""

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


def build_payload(judgement: Judgement, budget_bytes: int) -> Payload:
    """Lay the judgement out and encode it; marks that don't fit into `budget_bytes` of text are left out and counted.

    What findings and problems cite as evidence always stays.
    """
    timeline = judgement.analyses.timeline
    names = NamePool(list(timeline.names))
    sheet = lay_out(judgement, names)
    everything = sheet.marks()
    shown = [finding.evidence for finding in judgement.findings]
    shown += [problem.evidence for problem in judgement.analyses.integrity.problems]
    cited = np.array([span for spans in shown for span in spans], np.int64)
    marks, encoded = _within_budget(everything, cited, timeline, budget_bytes)
    waits, pieces, races = _encode_waits(judgement), _encode_pieces(judgement), _encode_races(judgement)
    arena = _encode_arena(timeline)
    offsets = np.searchsorted(marks.row, np.arange(len(sheet.rows) + 1)).tolist()
    model = {
        "start_ns": str(timeline.start_ns),
        "span_ns": timeline.end_ns - timeline.start_ns,
        "first_view": _first_view(judgement),
        "lanes": [asdict(lane) for lane in sheet.lanes],
        "rows": [[row.lane, row.layer, row.depth, row.heat] for row in sheet.rows],
        "row_offsets": offsets,
        "marks": _spec(encoded),
        "waits": _spec(waits),
        "pieces": _spec(pieces),
        "races": _spec(races),
        "arena": _spec(arena),
        "categories": [category.name for category in Category],
        "nodes": _nodes(timeline),
        "sources": [source.path for source in timeline.sources],
        "runs_session": timeline.runs.session.tolist(),
        "replaces": [session.replaces for session in timeline.sessions],
        "sites": _sites(timeline),
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


def _within_budget(marks: Marks, cited: Int64s, timeline: Timeline, budget_bytes: int) -> tuple[Marks, Encoded]:
    encoded = _encode_marks(marks, timeline)
    for _ in range(_MAX_TRIMS):
        if len(encoded.text) <= budget_bytes or not len(marks):
            break
        room = int(len(marks) * budget_bytes / len(encoded.text) * 0.95)
        marks = marks.take(np.sort(_by_worth(marks, cited)[:room]))
        encoded = _encode_marks(marks, timeline)
    return marks, encoded


def _by_worth(marks: Marks, cited: Int64s) -> Int64s:
    """Positions of marks, the most worth keeping first."""
    worth_of_category = np.full(len(Category), len(_EXPENDABLE), np.int64)
    worth_of_category[list(_EXPENDABLE)] = np.arange(len(_EXPENDABLE))
    worth = worth_of_category[marks.category]
    worth[np.isin(marks.ref, cited)] = len(_EXPENDABLE) + 1
    return np.lexsort((marks.start_ns - marks.end_ns, -worth))


def _encode_marks(marks: Marks, timeline: Timeline) -> Encoded:
    columns = {
        "start": marks.start_ns - timeline.start_ns,
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


def _encode_waits(judgement: Judgement) -> Encoded:
    waits = judgement.analyses.waits
    columns: dict[str, Int32s | Int64s] = {
        "span": waits.span, "call": waits.call, "work": waits.work, "stall": waits.stall_ns
    }  # fmt: skip
    return encode({name: values.astype(np.int64) for name, values in columns.items()}, _DELTA)


def _encode_pieces(judgement: Judgement) -> Encoded:
    """Of each idle piece, the span that shows its cause and the work that ended its gap."""
    of_devices = [device.columns for device in judgement.analyses.idle.devices]
    because = [each.piece_because for each in of_devices]
    ended_by = [each.ended_by[each.piece_gap] for each in of_devices]
    columns = {"because": _joined(because), "ended_by": _joined(ended_by)}
    return encode(columns, frozenset(columns))


def _encode_races(judgement: Judgement) -> Encoded:
    """Of each race the last work of the first access, the first work of the second, and the time between them."""
    races = judgement.analyses.races.of_verdict(Verdict.RACE)
    pairs = np.array([(race.first.end, race.second.begin, race.slack_ns) for race in races], np.int64).reshape(-1, 3)
    return encode({"first": pairs[:, 0], "second": pairs[:, 1], "slack": pairs[:, 2]}, _DELTA)


def _encode_arena(timeline: Timeline) -> Encoded:
    """When nodes made onnxruntime's arenas grow or shrink, and what all of them held from then on."""
    nodes = timeline.node_spans
    rows = np.flatnonzero(nodes.arena_growth_bytes)
    end_ns = timeline.spans.end_ns[nodes.span[rows]]
    order = np.argsort(end_ns, kind="stable")
    held = np.cumsum(nodes.arena_growth_bytes[rows[order]])
    return encode({"time": end_ns[order] - timeline.start_ns, "held": held}, frozenset({"time", "held"}))


def _joined(parts: Sequence[Int32s]) -> Int64s:
    return np.concatenate([np.zeros(0, np.int32), *parts]).astype(np.int64)


def _spec(encoded: Encoded) -> dict[str, object]:
    return {
        "length": encoded.length,
        "columns": [[each.name, each.width, each.delta] for each in encoded.specs],
    }


def _nodes(timeline: Timeline) -> dict[str, list[int]]:
    nodes = timeline.nodes
    return {
        "session": nodes.session.tolist(),
        "name": nodes.name.tolist(),
        "op_type": nodes.op_type.tolist(),
        "provider": nodes.provider.tolist(),
    }


def _first_view(judgement: Judgement) -> list[int]:
    """The stretch to show at first: where the GPU was traced, else the runs, when it would be lost in the whole."""
    timeline, devices = judgement.analyses.timeline, judgement.analyses.idle.devices
    whole_ns = timeline.end_ns - timeline.start_ns
    if devices:
        first_ns, last_ns = min(each.start_ns for each in devices), max(each.end_ns for each in devices)
    elif len(timeline.runs):
        first_ns, last_ns = int(timeline.runs.start_ns.min()), int(timeline.runs.end_ns.max())
    else:
        return [0, whole_ns]
    if last_ns - first_ns > _CROWDED * whole_ns:
        return [0, whole_ns]
    margin_ns = (last_ns - first_ns) // 20
    return [first_ns - margin_ns - timeline.start_ns, last_ns + margin_ns - timeline.start_ns]


def _sites(timeline: Timeline) -> dict[int, int]:
    """Hook spans → the name that holds the program's own `file:line`."""
    hooks = timeline.hooks
    known = hooks.site != NONE
    return dict(zip(hooks.span[known].tolist(), hooks.site[known].tolist(), strict=True))
