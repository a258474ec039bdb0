"""Each GPU: how busy it was over time, and why it was idle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.idle.busy_bins import compute_busy_bins
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt, told_bins
from ortprobe.report.text.screen.grid import INDENT, Column, facts, notes, table
from ortprobe.report.text.sparkline import Floats, Scale, sparkline
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.timeline import Int32s
from ortprobe.timeline.intervals import Intervals
from ortprobe.units import format_ns, format_ratio

_MAX_DEVICES = 3
_CAUSE_LINES = 6
"""For all devices together: five causes, and the rest of them."""
_LEAST_BINS = 4
"""Of each stretch of a recording, lest its blanks are more than its blocks."""


def devices_section(analyses: Analyses, width: int) -> list[Text]:
    """Says so where no device was watched."""
    devices = analyses.idle.devices
    if not devices:
        return facts("GPU", ["no trace of one in this capture, so nothing is known about busy time"], width)
    if unknown := doubt(analyses, Claim.IDLE):
        return facts("GPU", [f"busy and idle time: {unknown}"], width)
    shown = devices[:_MAX_DEVICES]
    lines = [line for device in shown for line in _device(device, _CAUSE_LINES // len(shown), analyses, width)]
    others = [
        f"{device.device} busy {format_ratio(device.busy_ns, device.window_ns)}" for device in devices[_MAX_DEVICES:]
    ]
    return [*lines, *(facts("Other GPUs", others, width)[:1] if others else [])]


def _device(device: DeviceIdle, cause_lines: int, analyses: Analyses, width: int) -> Iterator[Text]:
    busy = f"busy {format_ns(device.busy_ns)} of {format_ns(device.window_ns)}"
    idle = [f"idle {format_ns(device.idle_ns)}, by cause below"] if device.idle_ns else []
    share = f"{busy} ({format_ratio(device.busy_ns, device.window_ns)})"
    yield from facts(f"GPU {device.device}", [share, *idle], width, "; ")
    yield from _busy_over_time(device, analyses, width)
    yield from _causes(device, cause_lines, width)


def _busy_over_time(device: DeviceIdle, analyses: Analyses, width: int) -> Iterator[Text]:
    windows, stretches = _shown_windows(analyses, width)
    # Each stretch can have a bin more than its share, and has a blank behind it.
    bins = compute_busy_bins(device, windows, width - len(INDENT) - 2 * len(windows[0]))
    share = np.where(told_bins(analyses, bins), bins.share, np.nan)
    known = share[~np.isnan(share)]
    if not len(known):
        yield from notes(["busy share over time: can't tell, work was lost all over the recording"], width)
        return
    yield Text(INDENT + _busy_line(share, bins.stretch))
    yield from notes(
        [
            f"busy share over time, each column about {format_ns(int(np.median(bins.end_ns - bins.start_ns)))}",
            f"▁ 0 to █ {format_ratio(known.max(), 1)}",
            *([f"{_of(len(windows[0]), stretches)} recorded stretches"] if stretches > 1 else []),
            *(["blank: can't tell, work was lost there"] if len(known) < len(share) else []),
        ],
        width,
    )


def _of(drawn: int, stretches: int) -> str:
    return f"{stretches:,}" if drawn == stretches else f"the first {drawn:,} of {stretches:,}"


def _busy_line(share: Floats, stretch: Int32s) -> str:
    """A block for the busy share of each bin, the greatest on the highest one; a blank where it is NaN, and between
    stretches of a recording. One share at least must be known."""
    columns = np.insert(share, np.flatnonzero(np.diff(stretch)) + 1, np.nan)
    return sparkline(columns, Scale(low=0, high=float(np.nanmax(share))))


def _shown_windows(analyses: Analyses, width: int) -> tuple[Intervals, int]:
    """(the recorded stretches that a line has room for, from the first, how many there are)."""
    start_ns, end_ns = recorded_windows(analyses.timeline)
    room = max(1, width // (2 + _LEAST_BINS))
    return (start_ns[:room], end_ns[:room]), len(start_ns)


def _causes(device: DeviceIdle, lines: int, width: int) -> Sequence[Text]:
    """The dearest causes, and what is left of them; none for a device that was never idle."""
    causes = [(CAUSE_LABELS[cause], time_ns) for cause, time_ns in device.idle_by_cause.items()]
    if not causes:
        return []
    if len(causes) > lines:
        rest = causes[lines - 1 :]
        causes = [*causes[: lines - 1], (f"{len(rest)} other causes", sum(time_ns for _, time_ns in rest))]
    columns = (Column(heading=""), Column(heading="", figures=True), Column(heading="", figures=True))
    rows = [(label, format_ns(time_ns), format_ratio(time_ns, device.idle_ns)) for label, time_ns in causes]
    return table(columns, rows, width, [time_ns / device.idle_ns for _, time_ns in causes])[1:]
