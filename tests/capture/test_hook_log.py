"""A hook that fails is written down and counted, and the program does not notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import ortprobe
from ortprobe.bundle import Call, Lost, Settings, read_bundle
from ortprobe.capture.sessions import SessionBook
from ortprobe.capture.windows import Schedule
from ortprobe.ingest import load_bundle

CPU = ["CPUExecutionProvider"]
FEEDS = {"x": np.ones((2, 3), np.float32)}
NO_WINDOW = Settings(active_runs=3, torch_runs=0)


def fail(*_: object, **__: object) -> object:
    raise ZeroDivisionError("in a hook")


@pytest.mark.parametrize(
    ("owner", "name", "times"),
    [
        (SessionBook, "binding", 5),
        (Schedule, "before_run", 1),  # a session that can't be counted has nothing attached from then on
        (Schedule, "after_run", 5),
        (SessionBook, "serial", 5),
    ],
)
def test_program_goes_on_when_a_hook_fails(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, times: int
) -> None:
    with ortprobe.trace(tmp_path, settings=NO_WINDOW, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        with monkeypatch.context() as broken:
            broken.setattr(owner, name, fail)
            for _ in range(5):
                binding = session.io_binding()
                binding.bind_cpu_input("x", FEEDS["x"])
                binding.bind_output("y")
                session.run_with_iobinding(binding)
                assert binding.copy_outputs_to_cpu()[0].shape == (2, 3)
    bundle = read_bundle(capture.folder)
    lost = [record for record in bundle.records if isinstance(record, Lost)]
    assert lost
    assert {record.why for record in lost} == {"ZeroDivisionError: in a hook"}
    assert max(record.count for record in lost) == times
    assert bundle.manifest.ending is not None
    problems = [problem for problem in load_bundle(capture.folder).problems if "in a hook" in problem.detail]
    assert max(problem.count for problem in problems) == times


def test_calls_that_switch_the_fallback_are_recorded(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, settings=NO_WINDOW, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        session.disable_fallback()
    calls = [record for record in read_bundle(capture.folder).records if isinstance(record, Call)]
    assert [(call.what, call.session) for call in calls if "fallback" in call.what] == [("disable_fallback", 0)]
