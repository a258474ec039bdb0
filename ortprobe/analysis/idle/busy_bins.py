"""How busy a device was over time, in bins of equal length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.timeline import Int32s, Int64s
from ortprobe.timeline.intervals import Intervals, total_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyBins:
    """Bins of one device in time order. They fill the recorded stretches, each by itself, and nothing between them."""

    start_ns: Int64s
    end_ns: Int64s
    busy_ns: Int64s
    """With any kernel, copy or fill; with `device.idle_ns` the bins' whole length, to the nanosecond."""
    stretch: Int32s
    """Which of the recorded stretches the bin is of."""

    @property
    def share(self) -> list[float]:
        """Busy time over length, from 0 to 1."""
        return [float(share) for share in self.busy_ns / (self.end_ns - self.start_ns)]


def compute_busy_bins(device: DeviceIdle, windows: Intervals, bins: int) -> BusyBins:
    """About so many bins over all recorded stretches; each stretch has one at the least, and bins of its own length."""
    length_ns = windows[1] - windows[0]
    share = np.rint(length_ns / max(1, total_ns(windows)) * bins).astype(np.int64)
    counts = np.minimum(np.maximum(share, 1), np.maximum(length_ns, 1))
    edges = [
        start + length * np.arange(count + 1) // count
        for start, length, count in zip(windows[0].tolist(), length_ns.tolist(), counts.tolist(), strict=True)
    ]
    start_ns = np.concatenate([each[:-1] for each in edges])
    end_ns = np.concatenate([each[1:] for each in edges])
    idle_ns = covered_ns((device.columns.gap_start_ns, device.columns.gap_end_ns), (start_ns, end_ns))
    return BusyBins(
        start_ns=start_ns,
        end_ns=end_ns,
        busy_ns=end_ns - start_ns - idle_ns,
        stretch=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
    )
