"""Bins over time are exact: they hold all busy time, and none of what nobody watched."""

from __future__ import annotations

from pathlib import Path

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.idle.busy_bins import BusyBins, compute_busy_bins

BINS = 200


def bins_of(analyses: Analyses, bins: int = BINS) -> BusyBins:
    (device,) = analyses.idle.devices
    return compute_busy_bins(device, recorded_windows(analyses.timeline), bins)


@pytest.mark.parametrize("name", ["set-providers", "missing-wait", "healthy"])
def test_every_bin_holds_what_its_kernels_copies_and_fills_cover(name: str):
    analyses = captures.example(name)
    bins, spans = bins_of(analyses), analyses.timeline.spans
    work = [(int(spans.start_ns[span]), int(spans.end_ns[span])) for span in analyses.timeline.device_ops.span]
    for start_ns, end_ns, busy_ns in zip(bins.start_ns.tolist(), bins.end_ns.tolist(), bins.busy_ns, strict=True):
        covered_ns, reached_ns = 0, start_ns
        for low_ns, high_ns in sorted(work):
            low_ns, high_ns = max(low_ns, reached_ns), min(high_ns, end_ns)  # noqa: PLW2901
            if high_ns > low_ns:
                covered_ns += high_ns - low_ns
                reached_ns = high_ns
        assert busy_ns == covered_ns
    (device,) = analyses.idle.devices
    assert bins.busy_ns.sum() == device.busy_ns
    assert len(bins.start_ns) in range(BINS - 1, BINS + 2)


def test_bins_end_where_recording_ends_and_begin_where_it_goes_on():
    analyses = captures.example("set-providers")
    bins, windows = bins_of(analyses), recorded_windows(analyses.timeline)
    assert len(windows[0]) == 2
    for stretch in (0, 1):
        mine = bins.stretch == stretch
        assert bins.start_ns[mine][0] == windows[0][stretch]
        assert bins.end_ns[mine][-1] == windows[1][stretch]
        assert (bins.start_ns[mine][1:] == bins.end_ns[mine][:-1]).all()


def test_shares_are_those_that_were_planted(tmp_path: Path):
    """Two streams at once count once; 100 µs in ten bins."""
    scene = Scene().launch("a", 0, 10, 10, 1).launch("b", 12, 25, 10, 2, stream=9).launch("c", 13, 30, 10, 3)
    analyses = Analyses(scene.call("cudaFree", 98, 2).load(tmp_path))
    bins = bins_of(analyses, 10)
    assert bins.share == pytest.approx([0, 1, 0.5, 1, 0, 0, 0, 0, 0, 0])


def test_a_stretch_shorter_than_its_bins_has_one_for_each_nanosecond(tmp_path: Path):
    analyses = Analyses(Scene().kernel("k", 0, 0.05, 1).load(tmp_path))
    bins = bins_of(analyses)
    assert np.unique(bins.end_ns - bins.start_ns).tolist() == [1]
    assert set(bins.share) == {1.0}
