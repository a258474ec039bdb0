"""The page's tables as columns: runs, sessions, nodes, waits, idle gaps. `js/tables.js` draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ortprobe.analysis.claims import Claim
from ortprobe.analysis.nodes import NodeTime
from ortprobe.analysis.waits import Waiter
from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.report.html.sheet import stall_extent
from ortprobe.report.sayable import doubt, stated_device_busy, stated_nodes
from ortprobe.report.wording import (
    CAUSE_LABELS,
    CREATION_LABELS,
    found_by_kernels,
    found_in_models,
    origin_text,
    waiter_label,
)
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Int64s, Site, own_stream

_MAX_NODES = 500
_MAX_GAPS = 500
_MAX_WAITS = 2000
_MAX_RUNS = 20_000
_ATTACHED = ((ATTACHED_ORT_PROFILE, "ORT profile"), (ATTACHED_TORCH_PROFILER, "torch profiler"))

Cell = str | int | None
Kind = Literal["text", "int", "ns", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `ns` is a duration, `time` a moment after the first event, both in nanoseconds."""

    label: str
    kind: Kind
    values: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """`keys[i]` names the mark that row i shows in the timeline."""

    key: str
    title: str
    note: str
    columns: Sequence[Column]
    keys: Sequence[str]
    open: bool = False


def build_tables(judgement: Judgement) -> tuple[Table, ...]:
    """All tables of the page; an empty one is there too, and its note says why."""
    return (_runs(judgement), _sessions(judgement), _nodes(judgement), _waits(judgement), _gaps(judgement))


def attached_text(attached: int) -> str:
    """The bits of `Runs.attached` in words."""
    names = [name for bit, name in _ATTACHED if attached & bit]
    return " + ".join(names) or "hooks alone"


def _runs(judgement: Judgement) -> Table:
    analyses, runs, times = judgement.analyses, judgement.analyses.timeline.runs, judgement.analyses.runs
    shown = range(min(len(runs), _MAX_RUNS))
    zero_ns = analyses.timeline.start_ns

    def measured(column: Int64s) -> list[Cell]:
        return [None if column[i] == NONE else int(column[i]) for i in shown]

    columns = (
        Column("Run", "int", list(shown)),
        Column("Session", "int", [None if runs.session[i] == NONE else int(runs.session[i]) for i in shown]),
        Column("In session", "int", [int(times.index_in_session[i]) for i in shown]),
        Column("Start", "time", [int(runs.start_ns[i]) - zero_ns for i in shown]),
        Column("Latency", "ns", measured(times.latency_ns)),
        Column("Input copies", "ns", measured(times.input_copies_ns)),
        Column("Launching nodes", "ns", measured(times.execute_ns)),
        Column("Waiting for the GPU", "ns", measured(times.drain_ns)),
        Column("GPU busy", "ns", measured(stated_device_busy(analyses))),
        Column("Attached", "text", [attached_text(int(times.attached[i])) for i in shown]),
        Column("Failed", "text", ["failed" if times.failed[i] else "" for i in shown]),
    )
    note = _note(len(runs), len(shown), "runs", "the first")
    return Table("runs", "Runs", note, columns, [f"r{i}" for i in shown], open=True)


def _sessions(judgement: Judgement) -> Table:
    lives = judgement.analyses.sessions.lives
    zero_ns = judgement.analyses.timeline.start_ns
    sessions = [life.session for life in lives]
    columns = (
        Column("Session", "int", [each.index for each in sessions]),
        Column("Created", "text", [CREATION_LABELS[each.creation] for each in sessions]),
        Column("Replaces", "int", [each.replaces for each in sessions]),
        Column("Start", "time", [each.start_ns - zero_ns for each in sessions]),
        Column("Creation", "ns", [life.creation_ns for life in lives]),
        Column("Load", "ns", [life.load_ns for life in lives]),
        Column("Initialise", "ns", [life.initialize_ns for life in lives]),
        Column("Runs", "int", [life.runs for life in lives]),
        Column("First run", "ns", [life.first_run_ns for life in lives]),
        Column("Steady run", "ns", [life.steady_run_ns for life in lives]),
        Column("Cost of re-init", "ns", [life.re_init_cost_ns for life in lives]),
        Column("Providers", "text", [", ".join(each.providers) for each in sessions]),
        Column("Model", "text", [each.model for each in sessions]),
        Column("Line", "text", [site_text(each.site) for each in sessions]),
    )
    note = _note(len(lives), len(lives), "sessions", "the first")
    return Table("sessions", "Sessions", note, columns, [f"c{each.index}" for each in sessions])


def site_text(site: Site | None) -> str:
    """`file:line`, empty for none."""
    return f"{site.file}:{site.line}" if site else ""


def _nodes(judgement: Judgement) -> Table:
    times = stated_nodes(judgement.analyses)
    shown = times.nodes[:_MAX_NODES]
    columns = (
        Column("Node", "text", [node.name for node in shown]),
        Column("Op type", "text", [node.op_type for node in shown]),
        Column("Provider", "text", [node.provider.removesuffix("ExecutionProvider") for node in shown]),
        Column("Session", "int", [node.session for node in shown]),
        Column("GPU time", "ns", [node.device_ns for node in shown]),
        Column("over runs", "int", [node.device_runs for node in shown]),
        Column("Kernels", "int", [node.kernels for node in shown]),
        Column("Host time", "ns", [node.host_ns for node in shown]),
        Column("Executions", "int", [node.executions for node in shown]),
        *(_in_model(shown) if times.in_models else ()),
    )
    note = ", ".join((_note(len(times.nodes), len(shown), "nodes", "the dearest"), *found_in_models(times)))
    note = "; ".join(filter(None, (note, found_by_kernels(times, judgement.analyses.attribution))))
    return Table("nodes", "Nodes", note, columns, [f"s{node.first_span}" for node in shown])


def _in_model(nodes: Sequence[NodeTime]) -> tuple[Column, ...]:
    """What only the model file tells."""
    origins = [node.origin for node in nodes]
    return (
        Column("Made of", "text", [origin_text(node) for node in nodes]),
        Column("Weight bytes", "int", [origin.weight_bytes if origin else None for origin in origins]),
        Column("Output", "text", [origin.output if origin else "" for origin in origins]),
    )


def _waits(judgement: Judgement) -> Table:
    analyses = judgement.analyses
    timeline, waits = analyses.timeline, analyses.waits.waits
    longest = _longest(len(waits), _MAX_WAITS, lambda i: waits[i].end_ns - waits[i].start_ns)
    shown = [waits[i] for i in longest]
    columns = (
        Column("Wait", "text", [wait.name for wait in shown]),
        Column("Who waits", "text", [waiter_label(wait, timeline) for wait in shown]),
        Column("Kind", "text", ["stream" if wait.waiter is Waiter.STREAM else "host" for wait in shown]),
        Column(
            "For streams",
            "text",
            [", ".join(str(own_stream(stream)) for stream in wait.waited_streams) for wait in shown],
        ),
        Column("Start", "time", [stall_extent(wait, timeline)[0] - timeline.start_ns for wait in shown]),
        Column("Call took", "ns", [wait.end_ns - wait.start_ns for wait in shown]),
        Column("Stalled", "ns", [wait.stall_ns for wait in shown]),
        Column("Run", "int", [None if wait.run == NONE else wait.run for wait in shown]),
    )
    note = _note(len(waits), len(shown), "waits", "the longest")
    return Table("waits", "Waits", note, columns, [f"w{i}" for i in longest])


def _gaps(judgement: Judgement) -> Table:
    """Gaps with the key of their longest piece; pieces are numbered across all devices, as `sheet` numbers them."""
    zero_ns, first, rows = judgement.analyses.timeline.start_ns, 0, list[tuple[list[Cell], str]]()
    unknown = doubt(judgement.analyses, Claim.IDLE)
    devices = judgement.analyses.idle.devices if not unknown else ()
    for device in devices:
        columns = device.columns
        for gap in device.longest_gaps(_MAX_GAPS):
            main = gap.longest_piece
            piece = first + int(np.searchsorted(columns.piece_start_ns, main.start_ns))
            length_ns = gap.end_ns - gap.start_ns
            cells: list[Cell] = [
                gap.start_ns - zero_ns, length_ns, device.device, CAUSE_LABELS[main.cause], main.end_ns - main.start_ns,
                len(gap.pieces),
            ]  # fmt: skip
            rows.append((cells, f"i{piece}"))
        first += len(columns.piece_gap)
    rows = [rows[i] for i in _longest(len(rows), _MAX_GAPS, lambda i: int(rows[i][0][1] or 0))]
    heads: Sequence[tuple[str, Kind]] = (
        ("Start", "time"), ("Idle", "ns"), ("GPU", "int"), ("Mostly", "text"), ("for", "ns"), ("Pieces", "int")
    )  # fmt: skip
    shown = tuple(Column(label, kind, [cells[i] for cells, _ in rows]) for i, (label, kind) in enumerate(heads))
    total = sum(len(device.columns.gap_start_ns) for device in devices)
    note = unknown or _note(total, len(rows), "gaps", "the longest")
    return Table("gaps", "Idle gaps", note, shown, [key for _, key in rows])


def _longest(count: int, most: int, length_ns: Callable[[int], int]) -> list[int]:
    return sorted(range(count), key=lambda i: -length_ns(i))[:most]


def _note(total: int, shown: int, what: str, which: str) -> str:
    if not total:
        return f"no {what} in this capture"
    if total == 1:
        return f"1 {what.removesuffix('s')}"
    return f"{total:,} {what}" if shown == total else f"{which} {shown:,} of {total:,} {what}; {total - shown:,} more"
