"""Buffers that are bound by the address of a torch tensor are known by it, for as long as it lives."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.overrides import TorchFunctionMode

import ortprobe
from ortprobe.bundle import Call, Lost, Settings, read_bundle
from ortprobe.capture import pointers
from ortprobe.capture.pointers import Origin, PointerBook
from ortprobe.capture.recorder import current_recorder
from ortprobe.capture.tracing import Capture


class Program:
    """Binds torch tensors on the CPU by their addresses, and runs a session on them."""

    def __init__(self, capture: Capture, model: Path) -> None:
        self.capture = capture
        self.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        for name in ("y", "z"):
            self.binding.bind_output(name)

    def bind(self, tensor: torch.Tensor, shape: tuple[int, ...] = (2, 3)) -> None:
        self.binding.bind_input("x", "cpu", 0, np.float32, shape, tensor.data_ptr())

    def bind_output(self, tensor: torch.Tensor) -> None:
        self.binding.bind_output("y", "cpu", 0, np.float32, (2, 3), tensor.data_ptr())

    def avoid_memory(self) -> None:
        """Have ORT itself work on memory of its own, and not on that of tensors that are gone."""
        self.array = np.ones((2, 3), np.float32)
        self.binding._iobinding.bind_input("x", self.array)
        self.binding._iobinding.bind_output("y", onnxruntime.OrtDevice.make("cpu", 0)._get_c_device())

    def run(self) -> None:
        self.session.run_with_iobinding(self.binding)

    def calls(self, what: str) -> list[Call]:
        self.capture.finish()
        records = read_bundle(self.capture.folder).records
        assert not [record for record in records if isinstance(record, Lost)]
        return [record for record in records if isinstance(record, Call) and record.what == what]

    def dead(self) -> list[str]:
        return [call.buffer for call in self.calls("dead_buffer")]


@pytest.fixture
def program(tmp_path: Path, model: Path) -> Iterator[Program]:
    with ortprobe.trace(tmp_path, settings=Settings(warmup_runs=0, active_runs=20), torch_profiler=False) as capture:
        yield Program(capture, model)


def test_a_tensor_that_is_gone_is_noted_with_each_run_on_it(program: Program) -> None:
    kept = torch.ones(2, 3)
    lost = torch.zeros(2, 3)
    program.bind(kept)
    program.bind_output(lost)
    program.avoid_memory()
    program.run()
    del lost
    program.run()
    program.run()
    runs = program.calls("run_with_iobinding")
    dead = program.calls("dead_buffer")
    assert [(call.buffer, call.binding, call.run) for call in dead] == [("y", 0, run.run) for run in runs[1:]]
    assert [(call.site, call.start_ns, call.end_ns) for call in dead] == [
        (run.site, run.start_ns, run.start_ns) for run in runs[1:]
    ]


def test_a_tensor_that_is_held_is_alive(program: Program) -> None:
    kept = torch.ones(2, 3)
    program.bind(kept)
    program.run()
    assert program.dead() == []
    assert [call.contiguous for call in program.calls("bind_input")] == [True]


def test_a_temporary_is_dead_at_once(program: Program) -> None:
    kept = torch.ones(2, 3, dtype=torch.float64)
    program.bind(kept.to(torch.float32))
    program.avoid_memory()
    program.run()
    assert program.dead() == ["x"]


def test_a_view_lives_with_its_base_and_a_base_with_its_view(program: Program) -> None:
    base = torch.ones(4, 3)
    program.bind(base[1:3])
    view = torch.zeros(4, 3)[2:]
    program.bind_output(view)
    gc.collect()
    program.run()
    assert program.dead() == []


def test_a_transposed_tensor_is_not_contiguous(program: Program) -> None:
    kept = torch.ones(3, 2)
    program.bind(kept.mT)
    program.bind(kept)
    program.run()
    assert [call.contiguous for call in program.calls("bind_input")] == [False, True]
    assert program.dead() == []


def test_memory_of_numpy_lives_without_the_tensor_that_borrowed_it(program: Program) -> None:
    array = np.ones((2, 3), np.float32)
    program.bind(torch.from_numpy(array))
    program.run()
    assert program.dead() == []
    assert [call.contiguous for call in program.calls("bind_input")] == [True]


def test_an_address_that_no_tensor_was_asked_for_is_unknown(program: Program) -> None:
    array = np.ones((2, 3), np.float32)
    program.binding.bind_input("x", "cpu", 0, np.float32, (2, 3), array.ctypes.data)
    program.run()
    assert [call.contiguous for call in program.calls("bind_input")] == [None]
    assert {call.contiguous for call in program.calls("bind_output")} == {None}


def test_what_is_bound_anew_or_cleared_is_dead_no_more(program: Program) -> None:
    program.bind(torch.ones(2, 3).clone())
    program.binding.bind_cpu_input("x", np.ones((2, 3), np.float32))
    program.bind_output(torch.ones(2, 3).clone())
    program.binding.clear_binding_outputs()
    for name in ("y", "z"):
        program.binding.bind_output(name)
    program.run()
    assert program.dead() == []


def test_inputs_and_outputs_are_cleared_apart(program: Program) -> None:
    program.bind(torch.ones(2, 3).clone())
    program.binding.clear_binding_outputs()
    for name in ("y", "z"):
        program.binding.bind_output(name)
    program.avoid_memory()
    program.run()
    assert program.dead() == ["x"]


def test_the_hook_keeps_nothing_alive_and_gives_the_address(program: Program) -> None:
    tensor = torch.ones(2, 3)
    gone, gone_binding = weakref.ref(tensor), weakref.ref(program.binding)
    assert tensor.data_ptr() == torch._C.TensorBase.data_ptr(tensor) == tensor.untyped_storage().data_ptr()
    program.bind(tensor)
    del tensor, program.binding
    assert gone() is gone_binding() is None


def test_tensors_without_memory_and_of_other_kinds_go_through(program: Program) -> None:
    class Tagged(torch.Tensor):
        pass

    assert torch.empty(0).data_ptr() == 0
    assert torch.ones(2).as_subclass(Tagged).data_ptr() != 0
    with pytest.raises(RuntimeError):
        torch.ones(2).to_sparse().data_ptr()
    with pytest.raises(TypeError):
        torch.Tensor.data_ptr()
    assert program.dead() == []


def test_modes_of_the_program_see_its_own_calls_alone(program: Program) -> None:
    seen: list[str] = []

    class Watching(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    tensor = torch.ones(2)
    with Watching():
        tensor.data_ptr()
    assert seen == ["data_ptr"]
    assert program.dead() == []


def test_compiled_programs_get_their_addresses(program: Program) -> None:
    """A compiled hook would call itself without end."""

    def has_memory(tensor: torch.Tensor) -> bool:
        return (tensor + 1).data_ptr() != 0

    def add(tensor: torch.Tensor) -> torch.Tensor:
        tensor.data_ptr()
        return tensor + 1

    assert torch.compile(has_memory, backend="eager")(torch.ones(2)) is True
    assert torch.compile(add, backend="eager", fullgraph=True)(torch.ones(2)).tolist() == [2.0, 2.0]
    assert program.dead() == []


def test_what_fails_in_the_hook_is_lost_and_goes_nowhere(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise ValueError("no room")

    recorder = current_recorder()
    assert recorder is not None
    monkeypatch.setattr(recorder.pointers, "asked", fail)
    tensor = torch.ones(2)
    assert tensor.data_ptr() == torch._C.TensorBase.data_ptr(tensor)
    program.capture.finish()
    (lost,) = (record for record in read_bundle(program.capture.folder).records if isinstance(record, Lost))
    assert (lost.what, lost.why) == ("call:data_ptr", "ValueError: no room")


def test_only_the_latest_addresses_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    class Binding:
        """Can be referred to weakly."""

    monkeypatch.setattr(pointers, "_MOST_ORIGINS", 3)
    book, binding = PointerBook(), Binding()
    for address in (1, 2, 3, 1, 4):
        book.asked(address, Origin(None, True, "float32", 24))
    known = [book.bound(binding, "read", "x", address) is not None for address in (1, 2, 3, 4)]
    assert known == [True, False, True, True]
