"""Busy and idle time of each device, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt
from ortprobe.report.text.layout import table_of
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.units import format_ns, format_ratio


def devices_section(analyses: Analyses) -> RenderableType | None:
    """None without device work."""
    devices = analyses.idle.devices
    if not devices:
        return None
    unknown = doubt(analyses, Claim.IDLE)
    return Text(f"busy and idle time: {unknown}") if unknown else Group(*(_device(device) for device in devices))


def _device(device: DeviceIdle) -> RenderableType:
    busy = format_ratio(device.busy_ns, device.window_ns)
    times = f"busy {format_ns(device.busy_ns)} of {format_ns(device.window_ns)} ({busy})"
    head = Text(f"GPU {device.device}: {times}; idle by cause")
    table = table_of("cause", "time", "of idle", right_from=1)
    for cause, time_ns in device.idle_by_cause.items():
        table.add_row(CAUSE_LABELS[cause], format_ns(time_ns), format_ratio(time_ns, device.idle_ns))
    return Group(head, table)
