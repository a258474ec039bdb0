"""Busy and idle time of each device, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.idle.idle_lines import DeviceLines
from ortprobe.analysis.trust.claims import Claim
from ortprobe.names import printable
from ortprobe.report.sayable import doubt
from ortprobe.report.text.layout import table_of
from ortprobe.report.wording import CAUSE_LABELS, line_text, starved_text
from ortprobe.units import format_ns, format_ratio

_MAX_LINES = 3
_MAX_STREAMS = 3
_STARVED_SHARE = 0.05
"""A stream that starved for less of its life is not worth a line."""


def devices_section(analyses: Analyses) -> RenderableType | None:
    """None without device work."""
    devices = analyses.idle.devices
    if not devices:
        return None
    unknown = doubt(analyses, Claim.IDLE)
    if unknown:
        return Text(f"busy and idle time: {unknown}")
    lines = {each.device: each for each in analyses.idle_lines.devices}
    return Group(*(_device(device, lines[device.device], analyses) for device in devices))


def _device(device: DeviceIdle, lines: DeviceLines, analyses: Analyses) -> RenderableType:
    busy = format_ratio(device.busy_ns, device.window_ns)
    times = f"busy {format_ns(device.busy_ns)} of {format_ns(device.window_ns)} ({busy})"
    head = Text(f"GPU {device.device}: {times}; idle by cause")
    table = table_of("cause", "time", "of idle", right_from=1)
    for cause, time_ns in device.idle_by_cause.items():
        table.add_row(CAUSE_LABELS[cause], format_ns(time_ns), format_ratio(time_ns, device.idle_ns))
    return Group(head, table, *_dearest_lines(lines), *_starved(analyses, device.device))


def _dearest_lines(lines: DeviceLines) -> list[RenderableType]:
    """The lines of the program that cost most idle time; none where no line is known."""
    if not lines.lines:
        return []
    table = table_of("idle because of the line", "time", "cause", right_from=1)
    table.columns[2].justify = "left"
    for line in lines.lines[:_MAX_LINES]:
        where = line_text(line.site, line.next_site, is_between=line.is_between)
        table.add_row(Text(printable(where)), format_ns(line.time_ns), CAUSE_LABELS[line.cause])
    return [table]


def _starved(analyses: Analyses, device: int) -> list[RenderableType]:
    """Streams that had nothing to run for long while another one did."""
    streams = [one for one in analyses.starvation.streams if one.device == device]
    worth_naming = [one for one in streams if one.starved_ns > _STARVED_SHARE * one.life_ns]
    worth_naming.sort(key=lambda one: -one.starved_ns)
    return [Text(printable(starved_text(one, analyses.timeline))) for one in worth_naming[:_MAX_STREAMS]]
