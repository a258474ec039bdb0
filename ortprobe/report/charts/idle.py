"""Idle time by its cause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from plotly import graph_objects as go

from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.figures import NS_PER_MS, ROOM_FOR_TEXT, bar_height, styled
from ortprobe.report.sayable import doubt
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.rules.engine import Judgement
from ortprobe.units import format_ns


def idle_chart(judgement: Judgement) -> Chart:
    """Idle time of each device by cause."""
    title = "Why the GPU had nothing to do"
    devices = judgement.analyses.idle.devices
    if not devices:
        return Chart("idle", title, "No GPU trace in this capture, so nothing is known about idle time.", None)
    if unknown := doubt(judgement.analyses, Claim.IDLE):
        return Chart("idle", title, f"Busy and idle time: {unknown}.", None)
    figure, causes = _idle_bars(devices)
    shares = [
        f"GPU {device.device} was idle {format_ns(device.idle_ns)} of {format_ns(device.window_ns)}"
        for device in devices
    ]
    height = bar_height(causes * len(devices))
    return Chart("idle", title, "; ".join(shares) + ".", styled(figure, height, legend=len(devices) > 1))


def _idle_bars(devices: Sequence[DeviceIdle]) -> tuple[go.Figure, int]:
    """(bars of idle time by cause and device, how many causes)."""
    causes = [cause for cause in IdleCause if any(device.idle_by_cause.get(cause) for device in devices)]
    causes.sort(key=lambda cause: sum(device.idle_by_cause.get(cause, 0) for device in devices))
    figure, first_piece = go.Figure(), 0
    for number, device in enumerate(devices):
        values = [device.idle_by_cause.get(cause, 0) for cause in causes]
        figure.add_bar(
            x=[value / NS_PER_MS for value in values],
            y=[CAUSE_LABELS[cause] for cause in causes],
            orientation="h",
            name=f"GPU {device.device}",
            text=[format_ns(value) for value in values],
            customdata=[_longest_piece(device, cause, first_piece) for cause in causes],
            hovertemplate="%{y}: %{text}<extra></extra>",
            textposition="outside",
            meta={"color": number},
        )
        first_piece += len(device.columns.piece_gap)
    figure.update_layout(barmode="group")
    most_ns = max(device.idle_by_cause.get(cause, 0) for device in devices for cause in causes) if causes else 1
    figure.update_xaxes(title="ms", range=[0, ROOM_FOR_TEXT * most_ns / NS_PER_MS])
    return figure, len(causes)


def _longest_piece(device: DeviceIdle, cause: IdleCause, first_piece: int) -> str:
    """The key of the longest idle piece with this cause; pieces are numbered across all devices."""
    columns = device.columns
    rows = np.flatnonzero(columns.piece_cause == CAUSES.index(cause))
    length_ns = columns.piece_end_ns[rows] - columns.piece_start_ns[rows]
    return f"i{first_piece + int(rows[np.argmax(length_ns)])}" if len(rows) else ""
