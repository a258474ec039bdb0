"""Hooks on torch: copies, clones, and everything that orders one stream after another."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.bundle import NO_STREAM
from ortprobe.capture.hooks.noted import Describe, Fields, Noted, call_noted
from ortprobe.capture.hooks.nvtx_ranges import Category, range_functions
from ortprobe.capture.hooks.patches import Patches, as_hook
from ortprobe.capture.recorder import Recorder

if TYPE_CHECKING:
    import torch
    from torch.cuda import Event


_MARK = "_ortprobe_mark"


@dataclass(slots=True, eq=False)
class _EventMark:
    """What is known of one event."""

    capture: object
    serial: int
    recorded_on: int = NO_STREAM
    """Handle of the stream it was last seen recorded on."""


class TorchHooks:
    """Methods are replaced on torch's classes, so it does not matter when the program imported them.

    Calls that torch makes of itself (`wait_stream` records an event and waits for it) belong to the outermost one.
    Code under `torch.compile` is left as it is: while it is traced the original is called and nothing else.
    Other operations on tensors are not hooked: torch's profiler finds those that touch memory bound to a session.
    """

    def __init__(self, recorder: Recorder, torch: ModuleType) -> None:
        self._recorder = recorder
        self._torch = torch
        self._plain = (torch.Tensor, torch.nn.Parameter)
        self._address_of = torch.Tensor.data_ptr
        """As it is without hooks: what the program asks for is of interest, not what they do."""
        self._inside = threading.local()
        self._event_serials = itertools.count()
        self._capture = object()
        """Tells marks on events from those of an earlier capture."""

    def install(self, patches: Patches) -> None:
        for owner, name, what, category, describe in (*self._tensor_hooks(), *self._stream_hooks()):
            if not patches.replace(owner, name, self._wrapper(what, category, describe)):
                self._recorder.log.lost(f"hook:{what}", f"this torch has no {name}")
        if not patches.replace(self._torch.cuda.Stream, "__new__", self._wrap_new_stream):
            self._recorder.log.lost("hook:stream.create", "this torch does not say when a stream is made")

    def _wrap_new_stream(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """`torch.cuda.current_stream()` makes an object for a stream that exists, by its id: that makes no stream."""
        creating = as_hook(self._wrapper("stream.create", "wait", self._made_stream)(original))

        @wraps(original)
        def new_stream(*args: Any, **kwargs: Any) -> object:
            return original(*args, **kwargs) if "stream_id" in kwargs else creating(*args, **kwargs)

        return new_stream

    def _tensor_hooks(self) -> list[tuple[object, str, str, Category, Describe]]:
        tensor = self._torch.Tensor
        return [
            (tensor, "copy_", "copy_", "copy", self._copied_into),
            *((tensor, name, name, "copy", self._copied_from) for name in ("to", "cuda", "cpu")),
            *((owner, "clone", "clone", "clone", self._copied_from) for owner in (tensor, self._torch)),
            *((tensor, name, name, "copy", self._read_back) for name in ("item", "tolist", "numpy")),
            (tensor, "record_stream", "record_stream", "wait", self._used_on_stream),
        ]

    def _stream_hooks(self) -> list[tuple[object, str, str, Category, Describe]]:
        cuda = self._torch.cuda
        stream, event = cuda.Stream, cuda.Event
        return [
            (stream, "wait_stream", "wait_stream", "wait", self._waited_for_stream),
            (stream, "wait_event", "wait_event", "wait", self._waited_for_event),
            (stream, "record_event", "record_event", "wait", self._recorded_event_of_stream),
            (stream, "synchronize", "stream.synchronize", "wait", self._on_stream),
            (event, "__new__", "event.create", "wait", self._made_event),
            (event, "record", "event.record", "wait", self._recorded_event),
            (event, "wait", "event.wait", "wait", self._event_waited_for),
            (event, "synchronize", "event.synchronize", "wait", self._synchronized_event),
            (event, "query", "event.query", "wait", self._queried_event),
            (cuda, "synchronize", "synchronize", "wait", self._nothing),
            (cuda, "set_stream", "set_stream", "wait", self._on_stream),
            (cuda.StreamContext, "__enter__", "stream.enter", "wait", self._entered_stream),
            (cuda.StreamContext, "__exit__", "stream.leave", "wait", self._entered_stream),
        ]

    def _wrapper(
        self, what: str, category: Category, describe: Describe
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        is_compiling = self._torch.compiler.is_compiling
        inside, sessions = self._inside, self._recorder.sessions
        noted = Noted(self._recorder, what, describe, *range_functions(f"torch.{what}", category))

        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(original)
            def hooked(*args: Any, **kwargs: Any) -> object:
                if is_compiling() or not sessions.any_created or noted.is_idle or getattr(inside, "call", False):
                    return original(*args, **kwargs)
                inside.call = True
                try:
                    return call_noted(noted, original, args, kwargs)
                finally:
                    inside.call = False

            return hooked

        return wrap

    def _copied_into(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields | None:
        source = args[1] if len(args) > 1 else kwargs.get("src", kwargs.get("other"))
        return self._copy(source, args[0])

    def _copied_from(self, args: tuple[Any, ...], kwargs: Fields, result: torch.Tensor) -> Fields | None:
        """`to`, `cuda` and `cpu` give the tensor itself where there is nothing to do; that is no copy."""
        source = args[0] if args else kwargs["input"]
        return None if result is source else self._copy(source, result)

    def _read_back(self, args: tuple[Any, ...], _kwargs: Fields, _result: object) -> Fields | None:
        """From a tensor on the host these copy nothing and wait for nothing."""
        tensor = args[0]
        return self._side("read", tensor) if self._has_memory(tensor) and tensor.is_cuda else None

    def _copy(self, source: torch.Tensor, target: torch.Tensor) -> Fields | None:
        fields: Fields = {}
        for side, tensor in (("read", source), ("write", target)):
            if self._has_memory(tensor):
                device = fields.get("device")
                fields.update(self._side(side, tensor))
                if side == "read" or device is None:
                    continue
                if (device == "cpu") != (fields["device"] == "cpu"):
                    fields["pinned"] = bool((source if device == "cpu" else target).is_pinned())
                    if device == "cpu":
                        fields["origin"] = self._recorder.host_memory.origin(fields)
                    else:
                        self._came_from_gpu(target, fields["write_address"])
        return fields or None

    def _came_from_gpu(self, target: torch.Tensor, address: int) -> None:
        reference = self._torch.multiprocessing.reductions.StorageWeakRef(target.untyped_storage())
        self._recorder.host_memory.filled(address, "gpu", reference.expired)

    def _side(self, side: str, tensor: torch.Tensor) -> Fields:
        fields: Fields = {
            f"{side}_address": self._address_of(tensor),
            f"{side}_bytes": _extent_bytes(tensor),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "device": str(tensor.device),
        }
        if tensor.is_cuda:
            fields["stream"] = self._recorder.current_stream(tensor.device.index)
        return fields

    def _has_memory(self, tensor: torch.Tensor) -> bool:
        """Plain tensors alone: subclasses (fake tensors, distributed ones) may have no address to ask for."""
        return type(tensor) in self._plain and tensor.device.type in ("cpu", "cuda")

    def _used_on_stream(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields | None:
        """The allocator must not give a freed tensor's memory away before this stream has come so far."""
        tensor, stream = args[0], args[1] if len(args) > 1 else kwargs.get("s", kwargs.get("stream"))
        if not self._has_memory(tensor) or not isinstance(stream, self._torch.cuda.Stream):
            return None
        return {**self._side("read", tensor), "stream": self._handle(stream)}

    def _made_stream(self, _args: tuple[Any, ...], _kwargs: Fields, result: torch.cuda.Stream | None) -> Fields | None:
        return None if result is None else {"stream": self._handle(result)}

    def _entered_stream(self, args: tuple[Any, ...], _kwargs: Fields, _result: object) -> Fields | None:
        """torch's current stream afterwards."""
        return {"stream": self._recorder.current_stream()} if args[0].stream is not None else None

    def _waited_for_stream(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        other = args[1] if len(args) > 1 else kwargs["stream"]
        return {"stream": self._handle(args[0]), "waited_stream": self._handle(other)}

    def _waited_for_event(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        event = args[1] if len(args) > 1 else kwargs["event"]
        return {"stream": self._handle(args[0]), **self._of_event(event)}

    def _event_waited_for(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        stream = args[1] if len(args) > 1 else kwargs.get("stream")
        return {"stream": self._handle(stream), **self._of_event(args[0])}

    def _recorded_event_of_stream(self, args: tuple[Any, ...], _kwargs: Fields, result: Event | None) -> Fields:
        handle = self._handle(args[0])
        if result is None:
            return {"stream": handle}
        return {"stream": handle, "event": self._marked(result, handle).serial}

    def _recorded_event(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        handle = self._handle(args[1] if len(args) > 1 else kwargs.get("stream"))
        return {"stream": handle, "event": self._marked(args[0], handle).serial}

    def _synchronized_event(self, args: tuple[Any, ...], _kwargs: Fields, _result: object) -> Fields:
        return self._of_event(args[0])

    def _queried_event(self, args: tuple[Any, ...], _kwargs: Fields, result: object) -> Fields | None:
        """What is not done yet orders nothing, and a program may ask for it over and over."""
        return self._of_event(args[0]) if result else None

    def _made_event(self, _args: tuple[Any, ...], _kwargs: Fields, result: Event | None) -> Fields:
        return {} if result is None else {"event": self._marked(result).serial}

    def _of_event(self, event: Event) -> Fields:
        mark = self._marked(event)
        return {"event": mark.serial, "waited_stream": mark.recorded_on}

    def _marked(self, event: Event, recorded_on: int | None = None) -> _EventMark:
        """What is known of an event, kept on the event itself, and after it was recorded where.

        Not by a weak reference: torch's events go without clearing those (2.11, `THCPEvent_dealloc`), and whoever lets
        go of one later brings the process down.
        """
        mark = getattr(event, _MARK, None)
        if not isinstance(mark, _EventMark) or mark.capture is not self._capture:
            mark = _EventMark(self._capture, next(self._event_serials))
            setattr(event, _MARK, mark)
        if recorded_on is not None:
            mark.recorded_on = recorded_on
        return mark

    def _on_stream(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        return {"stream": self._handle(args[0] if args else kwargs.get("stream"))}

    def _nothing(self, _args: tuple[Any, ...], _kwargs: Fields, _result: object) -> Fields:
        return {}

    def _handle(self, stream: torch.cuda.Stream | None) -> int:
        """The handle of a `torch.cuda.Stream`; of this thread's current one for None, as torch reads it."""
        if stream is None:
            return self._recorder.current_stream()
        handle = int(stream.cuda_stream)
        self._recorder.streams.seen(handle, int(stream.device_index))
        return handle


def _extent_bytes(tensor: torch.Tensor) -> int:
    """Bytes from the first element of a tensor to behind its last, whatever its strides."""
    if tensor.numel() == 0:
        return 0
    if tensor.is_contiguous():
        return int(tensor.numel() * tensor.element_size())
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return int((reach + 1) * tensor.element_size())
