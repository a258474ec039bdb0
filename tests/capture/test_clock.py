"""Readings of the clocks in the hook log, and a wall clock that is set while a program runs."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch  # noqa: F401 - without it there is no window

import ortprobe
from ortprobe.bundle import Anchor, Call, SessionCreated, Settings, Window, read_bundle
from ortprobe.capture import hook_log
from ortprobe.capture.clock import quick_anchor
from ortprobe.capture.hooks import ort_runs
from ortprobe.ingest import load_bundle
from ortprobe.timeline import ProblemKind

CPU = ["CPUExecutionProvider"]
FEEDS = {"x": np.ones((2, 3), np.float32)}
HOOKS_ALONE = Settings(active_runs=0, torch_runs=0, windows=0)


def test_clocks_are_read_around_creations_and_windows(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, settings=Settings(active_runs=2, torch_runs=1)) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(5):
            session.run(None, FEEDS)
    records = read_bundle(capture.folder).records
    read_ns = {record.monotonic_ns: at for at, record in enumerate(records) if isinstance(record, Anchor)}
    (created,) = (at for at, record in enumerate(records) if isinstance(record, SessionCreated))
    (window,) = (at for at, record in enumerate(records) if isinstance(record, Window))
    started = next(
        at for at, record in enumerate(records) if isinstance(record, Call) and record.what == "ortprobe.profiler_start"
    )
    assert read_ns[records[created].began_monotonic_ns] < created
    assert isinstance(records[created + 1], Anchor)
    assert read_ns[records[window].began_monotonic_ns] < started
    assert any(at > window for at in read_ns.values())
    assert not [one for one in load_bundle(capture.folder).problems if one.kind is ProblemKind.CLOCK_STEPPED]


def test_clocks_are_read_now_and_then_beside_runs(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_log, "TICK_BITS", 26)  # 67 ms
    monkeypatch.setattr(ort_runs, "TICK_BITS", 26)
    with ortprobe.trace(tmp_path, settings=HOOKS_ALONE, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        end_s = time.monotonic() + 0.3
        while time.monotonic() < end_s:
            session.run(None, FEEDS)
    records = read_bundle(capture.folder).records
    first = next(at for at, record in enumerate(records) if isinstance(record, Call) and record.what == "run")
    read_ns = [record.monotonic_ns for record in records[first:] if isinstance(record, Anchor)]
    assert 3 <= len(read_ns) <= 7


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the wall clock forward by so many ns, for everything in the capture that reads it."""
    ahead_ns = 0
    real = time.time_ns

    def time_ns() -> int:
        return real() + ahead_ns

    def set_forward(by_ns: int) -> None:
        nonlocal ahead_ns
        ahead_ns += by_ns

    monkeypatch.setattr(time, "time_ns", time_ns)
    for name, module in list(sys.modules.items()):
        if name.startswith("ortprobe.capture") and getattr(module, "time_ns", None) is real:
            monkeypatch.setattr(module, "time_ns", time_ns)
    return set_forward


@pytest.mark.parametrize("step_s", [3600, -3600, 5, -5])
def test_a_clock_that_is_set_while_a_program_runs(
    tmp_path: Path, model: Path, set_clock: Callable[[int], None], step_s: int
) -> None:
    with ortprobe.trace(tmp_path, settings=HOOKS_ALONE, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for number in range(20):
            if number == 10:
                set_clock(step_s * 1_000_000_000)
            session.run(None, FEEDS)
    timeline = load_bundle(capture.folder)
    (step,) = [problem for problem in timeline.problems if problem.kind is ProblemKind.CLOCK_STEPPED]
    (stated_us,) = re.findall(r"by (-?[\d,]+) µs", step.detail)
    assert int(stated_us.replace(",", "")) == pytest.approx(step_s * 1_000_000, abs=10_000)
    logged = [record.run for record in read_bundle(capture.folder).records if isinstance(record, Call)]
    assert [run for run in logged if run >= 0] == list(range(20))
    starts_ns = timeline.runs.start_ns
    assert len(starts_ns) == 20
    assert np.diff(starts_ns).min() > 0
    assert np.diff(starts_ns).max() < 1_000_000_000


def test_reading_the_clocks_takes_less_than_a_microsecond() -> None:
    assert statistics.median(quick_anchor().bracket_ns for _ in range(1000)) < 1000
