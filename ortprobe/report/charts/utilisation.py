"""How busy each GPU was over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from plotly import graph_objects as go

from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.idle.busy_bins import BusyBins, compute_busy_bins
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.figures import NS_PER_MS, styled
from ortprobe.report.sayable import doubt, told_bins
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import Bools, Int32s, Int64s, Timeline
from ortprobe.units import format_ns, format_ratio

_BINS = 200
_HALF = 0.5
_TITLE = "How busy the GPU was over time"


@dataclass(frozen=True, slots=True)
class _DeviceBins:
    device: DeviceIdle
    bins: BusyBins
    told: Bools
    """False for bins in a stretch about which idle time can't be told."""
    keys: Sequence[str]


def utilisation_chart(judgement: Judgement) -> Chart:
    """Busy time of each device as a share of each bin of time; what nobody watched is a gap."""
    analyses = judgement.analyses
    if not analyses.idle.devices:
        return Chart("utilisation", _TITLE, "No GPU trace in this capture, so nothing is known about busy time.", None)
    if unknown := doubt(analyses, Claim.IDLE):
        return Chart("utilisation", _TITLE, f"Busy and idle time: {unknown}.", None)
    devices = tuple(_device_bins(judgement))
    if not any(each.told.any() for each in devices):
        return Chart("utilisation", _TITLE, "Work was lost all over the recording, so no share can be told.", None)
    return Chart("utilisation", _TITLE, _summary(devices), _figure(devices, analyses.timeline.start_ns))


def _device_bins(judgement: Judgement) -> Iterator[_DeviceBins]:
    analyses, first_piece = judgement.analyses, 0
    windows = recorded_windows(analyses.timeline)
    for device in analyses.idle.devices:
        bins = compute_busy_bins(device, windows, _BINS)
        keys = _keys(analyses.timeline, device, bins, first_piece)
        yield _DeviceBins(device, bins, told_bins(analyses, bins), keys)
        first_piece += len(device.columns.piece_gap)


def _keys(timeline: Timeline, device: DeviceIdle, bins: BusyBins, first_piece: int) -> list[str]:
    """What each bin leads to: its longest piece of idle time where it was mostly idle, else its longest work."""
    columns, spans = device.columns, timeline.spans
    work = timeline.device_ops.span[timeline.device_ops.device == device.device]
    piece = _longest_in(bins, columns.piece_start_ns, columns.piece_end_ns)
    op = _longest_in(bins, spans.start_ns[work], spans.end_ns[work])
    idle = np.array(bins.share) < _HALF
    return [
        f"i{first_piece + piece[row]}" if idle[row] else f"s{work[op[row]]}" for row in range(len(bins.start_ns))
    ]  # fmt: skip


def _longest_in(bins: BusyBins, start_ns: Int64s, end_ns: Int64s) -> Int32s:
    """For each bin the row that covers most of it; of rows sorted by start."""
    reach_ns = np.maximum.accumulate(end_ns)
    first = np.searchsorted(reach_ns, bins.start_ns, side="right")
    last = np.searchsorted(start_ns, bins.end_ns, side="left")
    longest = np.zeros(len(first), np.int32)
    for row, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        if high > low:
            inside_ns = np.minimum(end_ns[low:high], bins.end_ns[row])
            inside_ns -= np.maximum(start_ns[low:high], bins.start_ns[row])
            longest[row] = low + int(np.argmax(inside_ns))
    return longest


def _figure(devices: Sequence[_DeviceBins], zero_ns: int) -> Mapping[str, object]:
    figure = go.Figure()
    for number, each in enumerate(devices):
        for rows in _unbroken(each):
            _add_stretch(figure, each, rows, number, zero_ns)
    if len(devices) == 1:
        figure.update_traces(fill="tozeroy")
    seen = set[str]()
    for trace in figure.data:
        trace.showlegend = trace.name not in seen
        seen.add(trace.name)
    figure.update_xaxes(title="ms after the first event")
    figure.update_yaxes(title="busy, % of each bin", range=[0, 102])
    return styled(figure, 300, legend=len(devices) > 1, hovermode="x")


def _add_stretch(figure: go.Figure, each: _DeviceBins, rows: Int64s, number: int, zero_ns: int) -> None:
    """Steps that change at the edges of bins, which are half way between the points; the ends have points too."""
    bins = each.bins
    # Nanoseconds of the Unix epoch are too large for floats.
    start_ns, end_ns = bins.start_ns[rows] - zero_ns, bins.end_ns[rows] - zero_ns
    at_ns = np.concatenate((start_ns[:1], (start_ns + end_ns) / 2, end_ns[-1:]))
    shown = [rows[0], *rows.tolist(), rows[-1]]
    share = bins.share
    figure.add_scatter(
        x=(at_ns / NS_PER_MS).round(6).tolist(),
        y=[round(100 * share[row], 3) for row in shown],
        mode="lines",
        name=f"GPU {each.device.device}",
        line={"shape": "hvh", "width": 1.2, "dash": ("solid", "dash", "dot")[number % 3]},
        customdata=[each.keys[row] for row in shown],
        text=[format_ns(int(bins.busy_ns[row])) for row in shown],
        hovertemplate="at %{x:.3f} ms: %{y:.1f} %, busy %{text}<extra></extra>",
        meta={"color": (0, 1, 2, 3)[number % 4]},
    )


def _unbroken(each: _DeviceBins) -> Iterator[Int64s]:
    """Rows of bins that follow one another without a gap and without a bin that can't be told."""
    rows = np.flatnonzero(each.told)
    breaks = np.flatnonzero((np.diff(rows) > 1) | (np.diff(each.bins.stretch[rows]) > 0)) + 1
    yield from (part for part in np.split(rows, breaks) if len(part))


def _summary(devices: Sequence[_DeviceBins]) -> str:
    parts = [_device_summary(each) for each in devices]
    bins = devices[0].bins
    stretches = int(bins.stretch[-1]) + 1
    if stretches > 1:
        unwatched_ns = int(bins.end_ns[-1] - bins.start_ns[0] - (bins.end_ns - bins.start_ns).sum())
        parts.append(f"between the {stretches} recorded stretches nobody watched for {format_ns(unwatched_ns)}")
    if lost := max(int((~each.told).sum()) for each in devices):
        parts.append(f"{lost} bins are left out, in which work was lost")
    return "; ".join(parts) + "."


def _device_summary(each: _DeviceBins) -> str:
    bins, device = each.bins, each.device
    share = np.array(bins.share)[each.told]
    whole = f"GPU {device.device} was busy {format_ratio(device.busy_ns, device.window_ns)} of the recorded time"
    length_ns = int(np.median(bins.end_ns - bins.start_ns))
    most = f"{100 * share.max():.0f} % in the busiest of {len(share)} bins of {format_ns(length_ns)}"
    return f"{whole}, {most}, and less than half of the time in {int((share < _HALF).sum())} of them"
