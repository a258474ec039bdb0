"""Copies and clones are recorded with their addresses, and torch behaves as it does without the hooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest
import torch

import ortprobe
from ortprobe.bundle import Call, Lost, read_bundle
from ortprobe.capture.tracing import Capture


@pytest.fixture
def capture(tmp_path: Path, model: Path) -> Iterator[Capture]:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        capture.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        yield capture


def recorded(capture: Capture) -> list[Call]:
    records = read_bundle(capture.folder).records
    assert not [record for record in records if isinstance(record, Lost)]
    return [record for record in records if isinstance(record, Call) and record.device == "cpu"]


def test_copy_and_clone_name_the_bytes_they_read_and_write(capture: Capture) -> None:
    target, source = torch.zeros(4, 6), torch.ones(4, 6)
    target.copy_(source)
    clone = target.clone()
    column = target[:, 1]
    column.copy_(torch.zeros(4))
    copied, cloned, strided = recorded(capture)
    assert (copied.what, copied.read_address, copied.read_bytes) == ("copy_", source.data_ptr(), 96)
    assert (copied.write_address, copied.write_bytes) == (target.data_ptr(), 96)
    assert (cloned.what, cloned.read_address, cloned.write_address) == ("clone", target.data_ptr(), clone.data_ptr())
    assert (strided.write_address, strided.write_bytes) == (target.data_ptr() + 4, (3 * 6 + 1) * 4)
    assert copied.site.startswith(__file__)


def test_conversion_that_copies_nothing_is_not_recorded(capture: Capture) -> None:
    tensor = torch.ones(3)
    assert tensor.to(torch.float32) is tensor
    assert tensor.cpu() is tensor
    tensor.to(torch.float64)
    assert [call.what for call in recorded(capture)] == ["to"]


def test_exceptions_and_results_go_through(capture: Capture) -> None:
    tensor = torch.zeros(2)
    assert tensor.copy_(torch.ones(2)) is tensor
    with pytest.raises(RuntimeError, match="must match the size"):
        tensor.copy_(torch.ones(3))
    assert "must match the size" in recorded(capture)[-1].error


def test_autograd_goes_through_the_hooks(capture: Capture) -> None:
    leaf = torch.ones(3, requires_grad=True)
    target = torch.zeros(3)
    target.copy_(leaf * 2)
    target.clone().sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [2.0, 2.0, 2.0]


def test_whole_graph_compilation_still_works(capture: Capture) -> None:
    def step(target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        target.copy_(source)
        return target.clone().to(torch.float64) + 1

    compiled = torch.compile(step, backend="eager", fullgraph=True)
    assert compiled(torch.zeros(2), torch.ones(2)).tolist() == [2.0, 2.0]


def test_tensor_subclasses_and_fake_tensors_go_through(capture: Capture) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    class Tagged(torch.Tensor):
        pass

    tagged = torch.ones(2).as_subclass(Tagged)
    assert type(tagged.clone()) is Tagged
    with FakeTensorMode():
        assert torch.empty(2).clone().shape == (2,)
    assert recorded(capture) == []


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> type[torch.cuda.Event]:
    """torch's class of events, with methods that need no GPU; they answer as they are told."""

    def answer(event: torch.cuda.Event, *_args: object) -> object:
        return getattr(event, "answer", None)

    monkeypatch.setattr(torch.cuda.Event, "__new__", object.__new__)
    monkeypatch.setattr(torch.cuda.Event, "__init__", lambda _event: None)
    for name in ("record", "wait", "synchronize", "query"):
        monkeypatch.setattr(torch.cuda.Event, name, answer)
    return torch.cuda.Event


def event_calls(capture: Capture) -> list[tuple[str, int]]:
    records = read_bundle(capture.folder).records
    assert not [record for record in records if isinstance(record, Lost)]
    return [(call.what, call.event) for call in records if isinstance(call, Call) and "event" in call.what]


def test_events_are_numbered(events: type[torch.cuda.Event], capture: Capture) -> None:
    first = events()
    second = events()
    second.record()
    first.record()
    second.wait()
    first.synchronize()
    assert event_calls(capture) == [
        ("event.create", 0), ("event.create", 1), ("event.record", 1), ("event.record", 0), ("event.wait", 1),
        ("event.synchronize", 0),
    ]  # fmt: skip


def test_an_event_that_is_gone_gives_its_number_to_no_other(events: type[torch.cuda.Event], capture: Capture) -> None:
    for _ in range(3):
        events().record()
    assert [number for what, number in event_calls(capture) if what == "event.record"] == [0, 1, 2]


def test_a_query_is_recorded_once_the_event_is_done(events: type[torch.cuda.Event], capture: Capture) -> None:
    event = events()
    event.answer = False
    assert [event.query() for _ in range(5)] == [False] * 5
    event.answer = True
    assert event.query() is True
    assert event_calls(capture) == [("event.create", 0), ("event.query", 0)]


def test_streams_number_the_events_they_record_and_wait_for(
    events: type[torch.cuda.Event], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> None:
    monkeypatch.setattr(torch.cuda.Stream, "record_event", lambda _stream, event=None: event or events())
    monkeypatch.setattr(torch.cuda.Stream, "wait_event", lambda _stream, event: None)
    stream = object.__new__(torch.cuda.Stream)
    stream.cuda_stream, stream.device_index = 7, 0
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        other = events()
        event = stream.record_event()
        stream.wait_event(other)
        stream.wait_event(event=event)
    records = [record for record in read_bundle(capture.folder).records if isinstance(record, Call)]
    seen = [(call.what, call.event, call.waited_stream) for call in records if call.stream == 7]
    assert seen == [("record_event", 1, -1), ("wait_event", 0, -1), ("wait_event", 1, 7)]


def test_torch_is_itself_again_afterwards(tmp_path: Path) -> None:
    owners = (torch.Tensor, torch.cuda.Stream, torch.cuda.Event, torch.cuda)
    before = [dict(vars(owner)) for owner in owners]
    with ortprobe.trace(tmp_path, torch_profiler=False):
        assert "copy_" in vars(torch.Tensor)
    assert [dict(vars(owner)) for owner in owners] == before
