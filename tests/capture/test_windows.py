"""How much is attached to which run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import ortprobe
from ortprobe.bundle import Call, Lost, Served, Settings, Window, read_bundle
from ortprobe.capture.hook_log import CALLS_OUTSIDE_WINDOWS
from ortprobe.capture.hooks.ort_runs import hook_runs
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.recorder import current_recorder
from ortprobe.capture.sessions import SessionBook, SessionState

from .conftest import TracedProgram

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
        trace = json.loads((capture.folder / window.file).read_bytes())
        names = [event["name"] for event in trace["traceEvents"] if "ortprobe.run#" in str(event.get("name"))]
        assert len(names) == 5


def test_warm_up_runs_come_before_torchs_profiler(tmp_path: Path, model: Path) -> None:
    settings = Settings(warmup_runs=2, active_runs=2, torch_runs=1)
    with ortprobe.trace(tmp_path, settings=settings) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(7):
            session.run(None, FEEDS)
    assert attached(capture.folder, 0) == [1, 1, 3, 3, 2, 0, 0]


def test_windows_repeat_after_a_wait(tmp_path: Path, model: Path) -> None:
    settings = Settings(active_runs=1, torch_runs=1, windows=3, wait_runs=4)
    with ortprobe.trace(tmp_path, settings=settings) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(20):
            session.run(None, FEEDS)
    assert attached(capture.folder, 0) == [3, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0]


def test_window_ends_when_its_time_is_up_though_nothing_runs(tmp_path: Path, model: Path) -> None:
    threads = threading.active_count()
    with ortprobe.trace(tmp_path, settings=Settings(active_runs=9, longest_window_ns=300_000_000)) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        session.run(None, FEEDS)
        assert threading.active_count() == threads, "the program sees no thread of ours"
        time.sleep(1)
        session.run(None, FEEDS)
        session.run(None, FEEDS)
    assert attached(capture.folder, 0) == [3, 1, 0]  # a run ends the profile whose time was up before it
    (window,) = (record for record in read_bundle(capture.folder).records if isinstance(record, Window))
    assert 0.3e9 <= window.end_ns - window.start_ns < 0.9e9


def test_thread_that_did_not_begin_the_capture_is_watched_and_opens_windows(tmp_path: Path, model: Path) -> None:
    def work() -> None:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(4):
            session.run(None, FEEDS)
            torch.ones(3).mul_(2)

    with ortprobe.trace(tmp_path, settings=Settings(active_runs=2, torch_runs=1)) as capture:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    assert attached(capture.folder, 0) == [3, 3, 2, 0]
    trace = json.loads((capture.folder / "torch-0.json").read_bytes())
    ops = [event for event in trace["traceEvents"] if event.get("name") == "aten::mul_"]
    assert len(ops) == 2
    assert {op["tid"] for op in ops} == {worker.native_id}


def test_threads_that_run_while_a_window_opens_or_closes_open_no_other(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = SessionBook.alive

    def alive_after_a_while(book: SessionBook) -> list[SessionState]:
        time.sleep(0.002)  # other threads get their turn between any two steps
        return alive(book)

    monkeypatch.setattr(SessionBook, "alive", alive_after_a_while)

    def work(session: onnxruntime.InferenceSession) -> None:
        for _ in range(300):
            session.run(None, FEEDS)

    with ortprobe.trace(tmp_path, settings=Settings(active_runs=10, torch_runs=30)) as capture:
        sessions = [onnxruntime.InferenceSession(str(model), providers=CPU) for _ in range(2)]
        workers = [threading.Thread(target=work, args=(sessions[number % 2],)) for number in range(6)]
        [worker.start() for worker in workers]
        [worker.join() for worker in workers]
    bundle = read_bundle(capture.folder)
    assert sum(isinstance(record, Window) for record in bundle.records) == 1
    assert sum(isinstance(call, Call) and call.what == "run" for call in bundle.records) == 1800
    inside = [sum(bits >= 2 for bits in attached(capture.folder, session)) for session in (0, 1)]
    assert max(inside) >= 30


def test_window_that_another_thread_opens_in_the_middle_of_a_run_does_no_harm(tmp_path: Path) -> None:
    """torch's range around a run raises at its end when the profiler has come in between."""

    class Program:
        def run(self) -> str:
            opener = threading.Thread(target=recorder.schedule.before_creation)
            opener.start()
            opener.join()
            return "fine"

    with ortprobe.trace(tmp_path):
        recorder = current_recorder()
        assert recorder is not None
        hook_runs(Patches(), recorder, Program)
        recorder.log.window(is_open=True)  # as it is while another thread closes one
        assert Program().run() == "fine"
        assert recorder.schedule.profiler_attached()


def test_service_is_counted_by_the_second_once_its_allowance_is_used_up(tmp_path: Path, model: Path) -> None:
    runs, settings = CALLS_OUTSIDE_WINDOWS + 5_000, Settings(active_runs=1, torch_runs=1, windows=2, wait_runs=22_000)
    with ortprobe.trace(tmp_path, settings=settings) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        binding = session.io_binding()
        binding.bind_cpu_input("x", FEEDS["x"])
        binding.bind_output("y")
        for number in range(runs):
            if number == CALLS_OUTSIDE_WINDOWS + 1_000:
                binding.bind_output("z")
            session.run_with_iobinding(binding)
    records = read_bundle(capture.folder).records
    logged = [call for call in records if isinstance(call, Call) and call.what == "run_with_iobinding"]
    served = [record for record in records if isinstance(record, Served)]
    assert len(logged) + sum(record.runs for record in served) == runs
    assert all(record.runs == sum(count for _, count in record.latencies) for record in served)
    assert sum(record.runs for record in served) > 2_000
    assert [call.attached for call in logged if call.attached] == [3, 2, 2, 2], "also of the window that came later"
    assert [call.buffer for call in records if isinstance(call, Call) and call.what == "bind_output"] == ["y", "z"]
    assert (capture.folder / "hooks.jsonl").stat().st_size < 6_000_000


def test_bundle_stops_growing_at_its_limit(tmp_path: Path, model: Path) -> None:
    settings = Settings(active_runs=0, torch_runs=0, largest_bundle_bytes=100_000)
    with ortprobe.trace(tmp_path, settings=settings) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        for _ in range(5_000):
            session.run(None, FEEDS)
        session.set_providers(CPU)
    bundle = read_bundle(capture.folder)
    assert (capture.folder / "hooks.jsonl").stat().st_size < 101_000
    assert [record.what for record in bundle.records if isinstance(record, Lost)] == ["bundle_size"]
    assert bundle.manifest.ending is not None


def test_program_that_imports_torch_late_gets_its_window_then(trace_script: Callable[..., TracedProgram]) -> None:
    text = """
import numpy, onnxruntime
session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
def work():
    for _ in range(9):
        session.run(None, {"x": numpy.ones((2, 3), "float32")})
work()
import torch
work()
"""
    program = trace_script(text, "--active", "2", "--torch-runs", "3")
    assert program.code == 0, program.stderr
    assert attached(program.folder, 0) == [1, 1, *[0] * 7, *[2] * 5, *[0] * 4]


def test_runs_take_the_short_way_once_nothing_can_be_attached_any_more(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, settings=Settings(active_runs=2), torch_profiler=False):
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        recorder = current_recorder()
        assert recorder is not None
        (state,) = recorder.sessions.alive()
        settled = [(session.run(None, FEEDS), state.is_settled)[1] for _ in range(4)]
    assert settled == [False, True, True, True]


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
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as own:
        with ortprobe.trace(tmp_path) as capture:
            session = onnxruntime.InferenceSession(str(model), providers=CPU)
            session.run(None, FEEDS)
        torch.ones(2).add_(1)
    assert any(event.name == "aten::add_" for event in own.events())
    losses = [record.what for record in read_bundle(capture.folder).records if isinstance(record, Lost)]
    assert set(losses) == {"torch_profiler"}
    assert attached(capture.folder, 0) == [1]


def test_profiler_that_the_program_attaches_later_takes_over(tmp_path: Path, model: Path) -> None:
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
