"""Runs that nothing is attached to are logged the short way, and as truly."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import ortprobe
from ortprobe.bundle import Call, Settings, Thread, read_bundle
from ortprobe.capture.tracing import Capture

BARE = Settings(active_runs=0, torch_runs=0, windows=0)
FEEDS = {"x": np.ones((2, 3), np.float32)}


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Capture]:
    with ortprobe.trace(tmp_path, settings=BARE, torch_profiler=False) as capture:
        yield capture


@pytest.fixture
def session(capture: Capture, model: Path) -> onnxruntime.InferenceSession:
    made = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    made.run(None, FEEDS)
    return made


def runs(capture: Capture) -> list[Call]:
    capture.finish()
    calls = [record for record in read_bundle(capture.folder).records if isinstance(record, Call)]
    return [call for call in calls if call.what.startswith("run")]


def test_each_run_names_the_thread_that_made_it(capture: Capture, session: onnxruntime.InferenceSession) -> None:
    """Python gives the identity of a thread that has ended to the next one."""
    made_by = []
    for _ in range(20):
        thread = threading.Thread(target=session.run, args=(None, FEEDS))
        thread.start()
        thread.join()
        made_by.append(thread.native_id)
    assert len(set(made_by)) == 20
    logged = runs(capture)[1:]
    assert [call.thread for call in logged] == made_by
    named = [record.native_id for record in read_bundle(capture.folder).records if isinstance(record, Thread)]
    assert sorted(named) == sorted([threading.get_native_id(), *made_by])


def test_runs_are_numbered_and_name_their_line(capture: Capture, session: onnxruntime.InferenceSession) -> None:
    binding = session.io_binding()
    binding.bind_cpu_input("x", FEEDS["x"])
    binding.bind_output("y")
    for _ in range(3):
        session.run(None, FEEDS)
        session.run_with_iobinding(binding)
    logged = runs(capture)
    assert [call.run for call in logged] == list(range(7))
    assert len({call.site for call in logged[1::2]}) == len({call.site for call in logged[2::2]}) == 1
    assert {call.binding for call in logged[2::2]} == {0}
    assert all(call.start_ns < call.end_ns for call in logged)


def test_failed_run_is_logged_and_keeps_nothing_alive(capture: Capture, session: onnxruntime.InferenceSession) -> None:
    class Array(np.ndarray):
        """Can be referred to weakly."""

    feed = np.ones((9, 9), np.float32).view(Array)
    gone = weakref.ref(feed)
    gc.disable()
    try:
        with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument) as caught:
            session.run(None, {"x": feed})
        del caught, feed
        assert gone() is None, "the program's arrays go when the program lets go of them"
    finally:
        gc.enable()
    (failed,) = (call for call in runs(capture) if call.error)
    assert "invalid dimensions" in failed.error.lower()


def test_runs_with_options_are_logged_with_those_that_were_set(
    capture: Capture, session: onnxruntime.InferenceSession
) -> None:
    options = onnxruntime.RunOptions()
    session.run(None, FEEDS, options)
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    session.run(None, FEEDS, options)
    assert [call.options for call in runs(capture)[1:]] == [{}, {"disable_synchronize_execution_providers": "1"}]
