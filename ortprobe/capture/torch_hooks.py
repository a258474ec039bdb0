"""Hooks on torch: copies, clones, and everything that orders one stream after another."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import wraps
from time import time_ns
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.bundle import NO_STREAM
from ortprobe.capture.callsite import call_site
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.patches import Patches
from ortprobe.capture.recorder import Recorder

if TYPE_CHECKING:
    import torch
    from torch.cuda import Event

Fields = dict[str, Any]
Describe = Callable[[tuple[Any, ...], Fields, Any], Fields | None]


class TorchHooks:
    """Methods are replaced on torch's classes, so it does not matter when the program imported them.

    Calls that torch makes of itself (`wait_stream` records an event and waits for it) belong to the outermost one.
    Code under `torch.compile` is left as it is: while it is traced the original is called and nothing else.
    """

    def __init__(self, recorder: Recorder, torch: ModuleType) -> None:
        self._recorder = recorder
        self._torch = torch
        self._plain = (torch.Tensor, torch.nn.Parameter)
        self._inside = threading.local()
        self._recorded_on: weakref.WeakKeyDictionary[Event, int] = weakref.WeakKeyDictionary()

    def install(self, patches: Patches) -> None:
        torch = self._torch
        for name in ("copy_", "clone", "to", "cuda", "cpu"):
            describe: Describe = self._copied_into if name == "copy_" else self._copied_from
            patches.replace(torch.Tensor, name, self._wrapper(name, describe))
        stream, event, cuda = torch.cuda.Stream, torch.cuda.Event, torch.cuda
        for owner, name, what, describe in (
            (stream, "wait_stream", "wait_stream", self._waited_for_stream),
            (stream, "wait_event", "wait_event", self._waited_for_event),
            (stream, "record_event", "record_event", self._recorded_event_of_stream),
            (stream, "synchronize", "stream.synchronize", self._on_stream),
            (event, "record", "event.record", self._recorded_event),
            (event, "wait", "event.wait", self._event_waited_for),
            (event, "synchronize", "event.synchronize", self._synchronized_event),
            (cuda, "synchronize", "synchronize", self._nothing),
        ):
            if not patches.replace(owner, name, self._wrapper(what, describe)):
                self._recorder.log.lost(f"hook:{what}", f"this torch has no {name}")

    def _wrapper(self, what: str, describe: Describe) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        is_compiling = self._torch.compiler.is_compiling
        inside, log, sessions = self._inside, self._recorder.log, self._recorder.sessions

        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(original)
            def hooked(*args: Any, **kwargs: Any) -> object:
                if is_compiling() or not log.enabled or not sessions.any_created or getattr(inside, "call", False):
                    return original(*args, **kwargs)
                inside.call = True
                result, error = None, ""
                start_ns = time_ns()
                try:
                    result = original(*args, **kwargs)
                except BaseException as raised:
                    error = one_line(raised)
                    raise
                finally:
                    end_ns = time_ns()
                    try:
                        fields = describe(args, kwargs, result)
                        if fields is not None:
                            log.call(what, start_ns, end_ns, site=call_site(), error=error, **fields)
                    except Exception as failure:
                        log.lost("call:" + what, failure)
                    inside.call = False
                return result

            return hooked

        return wrap

    def _copied_into(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields | None:
        source = args[1] if len(args) > 1 else kwargs.get("src", kwargs.get("other"))
        return self._copy(source, args[0])

    def _copied_from(self, args: tuple[Any, ...], _kwargs: Fields, result: torch.Tensor) -> Fields | None:
        """`to`, `cuda` and `cpu` give the tensor itself where there is nothing to do; that is no copy."""
        return None if result is args[0] else self._copy(args[0], result)

    def _copy(self, source: torch.Tensor, target: torch.Tensor) -> Fields | None:
        fields: Fields = {}
        for side, tensor in (("read", source), ("write", target)):
            if not self._has_memory(tensor):
                continue
            fields[f"{side}_address"], fields[f"{side}_bytes"] = tensor.data_ptr(), _extent_bytes(tensor)
            if tensor.is_cuda:
                fields["stream"] = self._recorder.current_stream(tensor.device.index)
            if side == "write" or "device" not in fields:
                fields["device"] = str(tensor.device)
        return fields or None

    def _has_memory(self, tensor: torch.Tensor) -> bool:
        """Plain tensors alone: subclasses (fake tensors, distributed ones) may have no address to ask for."""
        return type(tensor) in self._plain and tensor.device.type in ("cpu", "cuda")

    def _waited_for_stream(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        other = args[1] if len(args) > 1 else kwargs["stream"]
        return {"stream": self._handle(args[0]), "waited_stream": self._handle(other)}

    def _waited_for_event(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        event = args[1] if len(args) > 1 else kwargs["event"]
        return {"stream": self._handle(args[0]), "waited_stream": self._recorded_on.get(event, NO_STREAM)}

    def _event_waited_for(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        stream = args[1] if len(args) > 1 else kwargs.get("stream")
        return {"stream": self._handle(stream), "waited_stream": self._recorded_on.get(args[0], NO_STREAM)}

    def _recorded_event_of_stream(self, args: tuple[Any, ...], _kwargs: Fields, result: torch.Tensor) -> Fields:
        handle = self._handle(args[0])
        if result is not None:
            self._recorded_on[result] = handle
        return {"stream": handle}

    def _recorded_event(self, args: tuple[Any, ...], kwargs: Fields, _result: object) -> Fields:
        handle = self._handle(args[1] if len(args) > 1 else kwargs.get("stream"))
        self._recorded_on[args[0]] = handle
        return {"stream": handle}

    def _synchronized_event(self, args: tuple[Any, ...], _kwargs: Fields, _result: object) -> Fields:
        return {"waited_stream": self._recorded_on.get(args[0], NO_STREAM)}

    def _on_stream(self, args: tuple[Any, ...], _kwargs: Fields, _result: object) -> Fields:
        return {"stream": self._handle(args[0])}

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
