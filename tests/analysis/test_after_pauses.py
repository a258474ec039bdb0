"""Runs after pauses of the GPU against runs in a row, with the same kernels."""

from __future__ import annotations

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.after_pauses import PAUSE_NS, AfterPauses
from ortprobe.ingest import load_bundle


def groups(scene: Scene, folder) -> tuple[AfterPauses, ...]:
    return Analyses(scene.session(0, -1000, 100).load(folder)).after_pauses


def runs_of(pauses_us: list[int], names: list[str] | None = None) -> Scene:
    """Runs of a kernel of 100 µs plus 1 µs for each ms of the pause before it."""
    scene, now_us = Scene(), 0
    for number, pause_us in enumerate(pauses_us):
        now_us += pause_us
        kernel_us = 100 + pause_us // 1000
        scene.hook("run", now_us, kernel_us + 20, session=0, attached=2)
        scene.launch(names[number] if names else "k", now_us + 2, now_us + 10, kernel_us, number + 1)
        now_us += kernel_us + 20
    return scene


def test_runs_are_told_apart_by_the_pause_before_them(tmp_path):
    (group,) = groups(runs_of([50, 50, 50, 20_000, 40_000, 5_000, 50]), tmp_path)
    # The first run of a session is not steady; 5 ms are neither a pause nor none.
    assert (group.session, group.in_a_row.tolist(), group.paused.tolist()) == (0, [1, 2, 6], [3, 4])
    assert group.in_a_row_ns.tolist() == [100_000] * 3
    assert group.paused_ns.tolist() == [120_000, 140_000]
    assert group.rank_correlation == pytest.approx(1.0)


def test_runs_with_different_kernels_are_different_groups(tmp_path):
    found = groups(runs_of([50] * 4 + [20_000] * 4, list("aaaabbbb")), tmp_path)
    assert sorted((len(group.in_a_row), len(group.paused)) for group in found) == [(0, 4), (3, 0)]


def test_pauses_all_alike_have_no_rank(tmp_path):
    (group,) = groups(runs_of([20_000] * 6), tmp_path)
    assert (len(group.paused), group.rank_correlation) == (5, None)


def test_without_a_pause_there_is_nothing_to_compare(tmp_path):
    assert groups(runs_of([50] * 6), tmp_path) == ()


def test_no_group_without_a_gpu():
    assert Analyses(captures.load_files(ort=[captures.RESNET / "ort_a.json.gz"])).after_pauses == ()


def test_the_first_run_of_a_window_is_left_out_and_an_h200_keeps_its_clocks():
    analyses = Analyses(load_bundle(captures.DATA / "h200-races" / "pinned_no_wait.zip"))
    (group,) = [group for group in analyses.after_pauses if len(group.paused) >= 4]
    assert 0 not in group.paused
    assert PAUSE_NS == 10_000_000
    assert np.median(group.paused_ns) == pytest.approx(np.median(group.in_a_row_ns), rel=0.02)
