"""How much is attached to which run."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import ortprobe
from ortprobe.bundle import Call, Lost, Settings, Window, read_bundle

FEEDS = {"x": np.ones((2, 3), np.float32)}
CPU = ["CPUExecutionProvider"]


def attached(folder: Path, session: int) -> list[int]:
    records = read_bundle(folder).records
    return [
        call.attached for call in records if isinstance(call, Call) and call.what == "run" and call.session == session
    ]


def test_dear_runs_come_first_then_torch_alone_then_nothing(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, settings=Settings(active_runs=3, torch_runs=2)) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(8):
            session.run(None, FEEDS)
        session.set_providers(CPU)
        for _ in range(8):
            session.run(None, FEEDS)
    assert attached(capture.folder, 0) == [3, 3, 3, 2, 2, 0, 0, 0]
    assert attached(capture.folder, 1) == [3, 3, 3, 2, 2, 0, 0, 0]
    bundle = read_bundle(capture.folder)
    windows = [record for record in bundle.records if isinstance(record, Window)]
    assert [window.file for window in windows] == ["torch-0.json", "torch-1.json"]
    (replaced,) = (call for call in bundle.records if isinstance(call, Call) and call.what == "set_providers")
    assert windows[1].start_ns <= replaced.start_ns
    for window in windows:
        trace = json.loads(gzip.decompress((capture.folder / window.file).read_bytes()))
        names = [event["name"] for event in trace["traceEvents"] if "ortprobe.run#" in str(event.get("name"))]
        assert len(names) == 5


def test_warm_up_runs_come_before_torchs_profiler(tmp_path: Path, model: Path) -> None:
    settings = Settings(warmup_runs=2, active_runs=2, torch_runs=1)
    with ortprobe.trace(tmp_path, settings=settings) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(7):
            session.run(None, FEEDS)
    assert attached(capture.folder, 0) == [1, 1, 3, 3, 2, 0, 0]


def test_session_that_never_runs_does_not_keep_the_profiler(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, settings=Settings(active_runs=2, torch_runs=1)) as capture:
        idle = onnxruntime.InferenceSession(str(model), providers=CPU)
        busy = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(20):
            busy.run(None, FEEDS)
        idle.run(None, FEEDS)
    assert attached(capture.folder, 1)[-5:] == [0] * 5
    assert attached(capture.folder, 0) == [3]


def test_profiler_of_the_program_is_left_alone(tmp_path: Path, model: Path) -> None:
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as own:
        with ortprobe.trace(tmp_path) as capture:
            session = onnxruntime.InferenceSession(str(model), providers=CPU)
            session.run(None, FEEDS)
        torch.ones(2).add_(1)
    assert any(event.name == "aten::add_" for event in own.events())
    losses = [record.what for record in read_bundle(capture.folder).records if isinstance(record, Lost)]
    assert losses == ["torch_profiler"]
    assert attached(capture.folder, 0) == [1]


def test_profiler_that_the_program_attaches_later_takes_over(tmp_path: Path, model: Path) -> None:
    import torch

    with ortprobe.trace(tmp_path) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        session.run(None, FEEDS)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as own:
            torch.ones(2).add_(1)
            session.run(None, FEEDS)
        session.run(None, FEEDS)
    assert any(event.name == "aten::add_" for event in own.events())
    assert attached(capture.folder, 0) == [3, 1, 3]


@pytest.mark.parametrize("calls", [200])
def test_hook_cost_is_measured(tmp_path: Path, model: Path, calls: int) -> None:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(calls):
            session.run(None, FEEDS)
    cost_ns = read_bundle(capture.folder).manifest.hook_cost_ns
    assert cost_ns is not None
    assert 500 < cost_ns < 100_000
