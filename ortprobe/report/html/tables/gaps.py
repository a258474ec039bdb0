"""The page's tables of idle time: its gaps, and the lines of the program behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ortprobe.analysis.idle.idle_lines import DeviceLines
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.html.tables.model import Cell, Column, Kind, Table, longest, note_of
from ortprobe.report.sayable import doubt
from ortprobe.report.wording import CAUSE_LABELS, line_text
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import Timeline

_MAX_GAPS = 500
_MAX_LINES = 200


def gaps_table(judgement: Judgement) -> Table:
    """Gaps with the key of their longest piece; pieces are numbered across all devices, as `sheet` numbers them."""
    zero_ns, first, rows = judgement.analyses.timeline.start_ns, 0, list[tuple[list[Cell], str]]()
    unknown = doubt(judgement.analyses, Claim.IDLE)
    devices = judgement.analyses.idle.devices if not unknown else ()
    for device, lines in zip(devices, judgement.analyses.idle_lines.devices if devices else (), strict=True):
        columns = device.columns
        for gap in device.longest_gaps(_MAX_GAPS):
            main = gap.longest_piece
            piece = int(np.searchsorted(columns.piece_start_ns, main.start_ns))
            length_ns = gap.end_ns - gap.start_ns
            cells: list[Cell] = [
                gap.start_ns - zero_ns, length_ns, device.device, CAUSE_LABELS[main.cause], main.end_ns - main.start_ns,
                _line_of(judgement.analyses.timeline, lines, piece), len(gap.pieces),
            ]  # fmt: skip
            rows.append((cells, f"i{first + piece}"))
        first += len(columns.piece_gap)
    rows = [rows[i] for i in longest(len(rows), _MAX_GAPS, lambda i: int(rows[i][0][1] or 0))]
    heads: Sequence[tuple[str, Kind]] = (
        ("Start", "time"), ("Idle", "ns"), ("GPU", "int"), ("Mostly", "text"), ("for", "ns"),
        ("Line", "text"), ("Pieces", "int")
    )  # fmt: skip
    shown = tuple(Column(label, kind, [cells[i] for cells, _ in rows]) for i, (label, kind) in enumerate(heads))
    total = sum(len(device.columns.gap_start_ns) for device in devices)
    note = unknown or note_of(total, len(rows), "gaps", "the longest")
    return Table("gaps", "Idle gaps", note, shown, [key for _, key in rows])


def idle_lines_table(judgement: Judgement) -> Table:
    """Lines of the program with the idle time that they stand behind, by cause, the dearest first."""
    analyses, first, rows = judgement.analyses, 0, list[tuple[list[Cell], str]]()
    unknown = doubt(analyses, Claim.IDLE)
    devices = analyses.idle.devices if not unknown else ()
    for device, lines in zip(devices, analyses.idle_lines.devices if devices else (), strict=True):
        for line in lines.lines:
            where = line_text(line.site, line.next_site, is_between=line.is_between)
            cells: list[Cell] = [where, CAUSE_LABELS[line.cause], line.time_ns, line.pieces, device.device]
            rows.append((cells, f"i{first + line.longest_piece}"))
        first += len(device.columns.piece_gap)
    total = len(rows)
    rows = [rows[i] for i in longest(total, _MAX_LINES, lambda i: int(rows[i][0][2] or 0))]
    heads: Sequence[tuple[str, Kind]] = (
        ("Line", "text"), ("Because of", "text"), ("Idle", "ns"), ("Pieces", "int"), ("GPU", "int")
    )  # fmt: skip
    shown = tuple(Column(label, kind, [cells[i] for cells, _ in rows]) for i, (label, kind) in enumerate(heads))
    note = unknown or note_of(total, len(rows), "lines", "the dearest")
    return Table("idle-lines", "Idle by line", note, shown, [key for _, key in rows])


def _line_of(timeline: Timeline, lines: DeviceLines, piece: int) -> str:
    site, next_site = (timeline.site_at(int(names[piece])) for names in (lines.piece_site, lines.piece_next_site))
    return line_text(site, next_site, is_between=not lines.piece_is_inside[piece])
