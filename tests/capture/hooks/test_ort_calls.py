"""What the hooks on bindings and options write down, read back as the Timeline has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import ortprobe
from ortprobe.bundle import Call, Lost, Settings, read_bundle

Work = Callable[[onnxruntime.InferenceSession], object]


@pytest.fixture
def calls_of(tmp_path: Path, model: Path) -> Callable[[Work], list[Call]]:
    """What a piece of program with a session on the CPU leaves in the hook log."""

    def trace(work: Work) -> list[Call]:
        settings = Settings(warmup_runs=0, active_runs=20)
        with ortprobe.trace(tmp_path, settings=settings, torch_profiler=False) as capture:
            session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
            kept = work(session)
        del kept
        records = read_bundle(capture.folder).records
        assert not [record for record in records if isinstance(record, Lost)]
        return [record for record in records if isinstance(record, Call)]

    return trace


def test_configuration_entries_are_noted_when_their_key_is_first_given(calls_of) -> None:
    def work(_session: onnxruntime.InferenceSession) -> None:
        for _ in range(3):
            onnxruntime.SessionOptions().add_session_config_entry("session.intra_op.allow_spining", "0")
            onnxruntime.RunOptions().add_run_config_entry("gpu_graph_id", "-1")

    noted = [(call.what, call.options) for call in calls_of(work) if call.what.startswith("add_")]
    assert noted == [
        ("add_session_config_entry", {"session.intra_op.allow_spining": "0"}),
        ("add_run_config_entry", {"gpu_graph_id": "-1"}),
    ]


@pytest.mark.parametrize("key", [["no text"], 7])
def test_a_key_that_onnxruntime_refuses_is_refused_as_without_hooks(calls_of, key) -> None:
    said = []

    def give_it_something_else(_session: onnxruntime.InferenceSession) -> None:
        with pytest.raises(TypeError) as refused:
            onnxruntime.SessionOptions().add_session_config_entry(key, "1")
        said.append(str(refused.value).partition("Invoked with")[0])

    assert not [call for call in calls_of(give_it_something_else) if call.what == "add_session_config_entry"]
    give_it_something_else(None)
    assert said[0] == said[1]


def test_option_classes_are_as_they_were_afterwards(calls_of) -> None:
    before = vars(onnxruntime.SessionOptions)["add_session_config_entry"]
    calls_of(lambda _session: None)
    assert vars(onnxruntime.SessionOptions)["add_session_config_entry"] is before


def test_an_array_that_changed_since_its_bind_is_noted_with_the_run(calls_of) -> None:
    def work(session: onnxruntime.InferenceSession) -> object:
        binding, array = session.io_binding(), np.zeros((2, 3), np.float32)
        binding.bind_cpu_input("x", array)
        binding.bind_output("y")
        session.run_with_iobinding(binding)
        array[0, 0] = 1
        session.run_with_iobinding(binding)
        binding.bind_cpu_input("x", array)
        session.run_with_iobinding(binding)
        return binding

    compared = [(call.what, call.buffer, call.run) for call in calls_of(work) if call.what.startswith("input.")]
    assert compared == [("input.same", "x", 0), ("input.changed", "x", 1), ("input.same", "x", 2)]


def test_the_tensor_behind_a_pointer_says_its_type_and_how_far_it_goes(calls_of) -> None:
    storage = torch.zeros(10, dtype=torch.float64)

    def work(session: onnxruntime.InferenceSession) -> object:
        binding = session.io_binding()
        binding.bind_input("x", "cpu", 0, np.float32, (2, 3), storage[4:].data_ptr())
        return binding

    (bound,) = (call for call in calls_of(work) if call.what == "bind_input")
    assert (bound.dtype, bound.read_bytes) == ("float32", 24)
    assert (bound.tensor_dtype, bound.tensor_bytes) == ("float64", 48)


def test_what_a_run_gave_is_known_when_it_is_fed_again_and_only_then(calls_of) -> None:
    def work(session: onnxruntime.InferenceSession) -> object:
        feeds = {"x": np.zeros((2, 3), np.float32)}
        (given,) = session.run(["z"], feeds)
        session.run(["z"], {"x": given})
        binding = session.io_binding()
        binding.bind_cpu_input("x", given)
        binding.bind_output("y")
        session.run_with_iobinding(binding)
        (copied,) = binding.copy_outputs_to_cpu()
        session.run(["z"], {"x": copied})
        session.run(["z"], {"x": copied + 1})
        return binding

    calls = calls_of(work)
    assert [call.origin for call in calls if call.what == "feed"] == ["host", "run", "binding", "host"]
    assert [call.origin for call in calls if call.what == "bind_cpu_input"] == ["run"]
