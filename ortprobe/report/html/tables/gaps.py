"""The page's table of idle gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.html.tables.model import Cell, Column, Kind, Table, longest, note_of
from ortprobe.report.sayable import doubt
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.rules.engine import Judgement

_MAX_GAPS = 500


def gaps_table(judgement: Judgement) -> Table:
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
    rows = [rows[i] for i in longest(len(rows), _MAX_GAPS, lambda i: int(rows[i][0][1] or 0))]
    heads: Sequence[tuple[str, Kind]] = (
        ("Start", "time"), ("Idle", "ns"), ("GPU", "int"), ("Mostly", "text"), ("for", "ns"), ("Pieces", "int")
    )  # fmt: skip
    shown = tuple(Column(label, kind, [cells[i] for cells, _ in rows]) for i, (label, kind) in enumerate(heads))
    total = sum(len(device.columns.gap_start_ns) for device in devices)
    note = unknown or note_of(total, len(rows), "gaps", "the longest")
    return Table("gaps", "Idle gaps", note, shown, [key for _, key in rows])
