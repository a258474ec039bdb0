"""Hooks on what a program does with onnxruntime beside running sessions: bind buffers, copy, wait, end a profile."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from time import time_ns
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.bundle import NO_STREAM
from ortprobe.capture.hooks.buffer_ranges import Direction, Fields, array_fields, pointer_fields, value_fields
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.noted import Noted, noting
from ortprobe.capture.hooks.nvtx_ranges import Category, range_functions
from ortprobe.capture.hooks.option_entries import hook_option_entries
from ortprobe.capture.hooks.ort_async_runs import hook_async_runs
from ortprobe.capture.hooks.ort_runs import Wrap, hook_runs
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.pointers import Origin
from ortprobe.capture.recorder import Recorder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding, OrtValue

Describe = Callable[[Recorder, Any, tuple[Any, ...], Fields, Any], Fields]
"""Fields of a `Call` from the object, its arguments by position and by name, and what the call returned."""

_BIND_ARGUMENTS = ("name", "device_type", "device_id", "element_type", "shape", "buffer_ptr")
_BINDING_WAITS = ("synchronize_inputs", "synchronize_outputs")
_BINDING_STEPS = ("get_outputs", "get_outputs_as_ortvaluevector")
_VALUE_MAKERS = ("ortvalue_from_numpy", "ortvalue_from_numpy_with_onnx_type", "ortvalue_from_shape_and_type")
_OF_SOME_VERSIONS = ("get_outputs_as_ortvaluevector", "ortvalue_from_numpy_with_onnx_type", "from_dlpack", "__dlpack__")
"""Not in every onnxruntime from 1.20 on, so that their absence is no loss."""


def hook_calls(patches: Patches, recorder: Recorder, collection: ModuleType) -> None:
    """Install the hooks on `onnxruntime.capi.onnxruntime_inference_collection`."""
    hook_runs(patches, recorder, collection.Session)
    hook_async_runs(patches, recorder, collection.Session)
    hook_option_entries(patches, recorder, sys.modules["onnxruntime.capi.onnxruntime_pybind11_state"])
    owners: dict[type, dict[str, Wrap]] = {
        collection.Session: {
            "end_profiling": _wrap_end_profiling,
            **{name: _describing(name, "session", _of_session) for name in ("disable_fallback", "enable_fallback")},
        },
        collection.IOBinding: {
            "__init__": _describing("io_binding", "bind", _new_binding),
            "bind_input": _describing("bind_input", "bind", _bound("read"), keeps_state=True),
            "bind_cpu_input": _describing("bind_cpu_input", "bind", _bound_cpu_input, keeps_state=True),
            "bind_ortvalue_input": _describing("bind_ortvalue_input", "bind", _bound_value("read"), keeps_state=True),
            "bind_output": _describing("bind_output", "bind", _bound("write"), keeps_state=True),
            "bind_ortvalue_output": _describing(
                "bind_ortvalue_output", "bind", _bound_value("write"), keeps_state=True
            ),
            "clear_binding_inputs": _describing("clear_binding_inputs", "bind", _cleared("read"), keeps_state=True),
            "clear_binding_outputs": _describing("clear_binding_outputs", "bind", _cleared("write"), keeps_state=True),
            "copy_outputs_to_cpu": _describing("copy_outputs_to_cpu", "copy", _copied_outputs),
            **{name: _describing(name, "wait", _of_binding) for name in _BINDING_WAITS},
            **{name: _describing(name, "bind", _of_binding) for name in _BINDING_STEPS},
        },
        collection.OrtValue: {
            "update_inplace": _describing("update_inplace", "copy", _updated_value),
            "numpy": _describing("ortvalue.numpy", "copy", _value_as_array),
            "__dlpack__": _describing("to_dlpack", "bind", _read_value),
            "from_dlpack": _describing("from_dlpack", "bind", _made_value),
            **{name: _describing(name, "copy", _made_value) for name in _VALUE_MAKERS},
        },
    }
    for owner, wrappers in owners.items():
        for name, wrap in wrappers.items():
            is_there = patches.replace(owner, name, partial(wrap, recorder=recorder))
            if not is_there and name not in _OF_SOME_VERSIONS:
                recorder.log.lost(f"hook:{name}", f"this onnxruntime has no {owner.__name__}.{name}")
    copy_tensors = partial(_describing("copy_tensors", "copy", _nothing), recorder=recorder)
    for module in (collection, sys.modules.get("onnxruntime")):
        if module is not None and hasattr(module, "copy_tensors"):  # onnxruntime 1.24
            patches.replace(module, "copy_tensors", copy_tensors)


def _wrap_end_profiling(original: Callable[..., str], recorder: Recorder) -> Callable[..., str]:
    """A profile that we asked for does not exist as far as the program is concerned: ORT answers "" without one."""

    @wraps(original)
    def end_profiling(self: InferenceSession, *args: Any, **kwargs: Any) -> str:
        state = recorder.sessions.state(self) if recorder.log.enabled else None
        if state is not None and state.profile_prefix:
            return ""
        start_ns = time_ns()
        written = original(self, *args, **kwargs)
        if state is not None and state.profiled:
            site = call_site()
            recorder.log.call("end_profiling", start_ns, time_ns(), site=site, session=state.serial)
            recorder.sessions.copy_program_profile(state, written)
        return written

    return end_profiling


def _describing(what: str, category: Category, describe: Describe, *, keeps_state: bool = False) -> Wrap:
    """A wrapper maker that writes one `Call` named `what` with the fields that `describe` finds: see `Noted`."""

    def wrap(original: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
        def fields_of(args: tuple[Any, ...], kwargs: Fields, result: object) -> Fields:
            return describe(recorder, args[0] if args else None, args[1:], kwargs, result)

        push, pop = range_functions(what, category)
        return noting(Noted(recorder, what, fields_of, push, pop, keeps_state), original)

    return wrap


def _nothing(_recorder: Recorder, _first: object, _args: object, _kwargs: object, _result: object) -> Fields:
    return {}


def _of_session(
    recorder: Recorder, session: InferenceSession, _args: object, _kwargs: object, _result: object
) -> Fields:
    return {"session": recorder.sessions.serial(session)}


def _of_binding(recorder: Recorder, binding: IOBinding, _args: object, _kwargs: object, _result: object) -> Fields:
    return {"binding": recorder.sessions.binding(binding), "stream": recorder.current_stream()}


def _copied_outputs(
    recorder: Recorder, binding: IOBinding, args: object, kwargs: object, result: list[object] | None
) -> Fields:
    for array in result or ():
        recorder.host_memory.given(array, "binding")
    return _of_binding(recorder, binding, args, kwargs, result)


def _new_binding(
    recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
) -> Fields:
    session = args[0] if args else kwargs.get("session")
    return {"binding": recorder.sessions.binding(binding), "session": recorder.sessions.serial(session)}


def _bound(direction: Direction) -> Describe:
    def describe(
        recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
    ) -> Fields:
        given = _named(args, kwargs, _BIND_ARGUMENTS)
        name = str(given.get("name", ""))
        origin = recorder.pointers.bound(binding, direction, name, int(given.get("buffer_ptr") or 0))
        if direction == "read":
            recorder.host_inputs.forget(binding, name)
        return {
            "binding": recorder.sessions.binding(binding),
            "buffer": name,
            **_of_tensor(origin),
            "device": str(given.get("device_type", "cpu")),
            **pointer_fields(given.get("buffer_ptr"), given.get("shape"), given.get("element_type"), direction),
        }

    return describe


def _of_tensor(origin: Origin | None) -> Fields:
    """What the tensor says of itself whose address is bound, where it is known and still there."""
    if origin is None:
        return {}
    lives = origin.storage is not None and not origin.is_dead
    size = {"tensor_dtype": origin.dtype, "tensor_bytes": origin.size_bytes} if lives else {}
    return {"contiguous": origin.contiguous, **size}


def _bound_cpu_input(
    recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
) -> Fields:
    given = _named(args, kwargs, ("name", "arr_on_cpu"))
    recorder.pointers.bound(binding, "read", str(given["name"]), 0)
    if recorder.log.detailed:
        recorder.host_inputs.bound(binding, str(given["name"]), given["arr_on_cpu"])
    else:
        recorder.host_inputs.forget(binding, str(given["name"]))
    fields = array_fields(given["arr_on_cpu"], "read")
    return {
        "binding": recorder.sessions.binding(binding),
        "buffer": str(given["name"]),
        **fields,
        "origin": recorder.host_memory.origin(fields),
    }


def _bound_value(direction: Direction) -> Describe:
    def describe(
        recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
    ) -> Fields:
        given = _named(args, kwargs, ("name", "ortvalue"))
        recorder.pointers.bound(binding, direction, str(given["name"]), 0)
        if direction == "read":
            recorder.host_inputs.forget(binding, str(given["name"]))
        return {
            "binding": recorder.sessions.binding(binding),
            "buffer": str(given["name"]),
            **value_fields(given["ortvalue"], direction),
        }

    return describe


def _cleared(direction: Direction) -> Describe:
    def describe(recorder: Recorder, binding: IOBinding, args: object, kwargs: object, result: object) -> Fields:
        recorder.pointers.cleared(binding, direction)
        if direction == "read":
            recorder.host_inputs.forget(binding)
        return _of_binding(recorder, binding, args, kwargs, result)

    return describe


def _updated_value(recorder: Recorder, value: OrtValue, _args: object, _kwargs: object, _result: object) -> Fields:
    return _on_stream(recorder, value_fields(value, "write"))


def _read_value(recorder: Recorder, value: OrtValue, _args: object, _kwargs: object, _result: object) -> Fields:
    return _on_stream(recorder, value_fields(value, "read"))


def _value_as_array(recorder: Recorder, value: OrtValue, _args: object, _kwargs: object, result: object) -> Fields:
    """Of a value on the host the array is the value's own memory."""
    fields = _on_stream(recorder, value_fields(value, "read"))
    recorder.host_memory.given(result, "binding" if fields["device"] == "cpu" else "gpu")
    return fields


def _made_value(recorder: Recorder, _class: type, _args: object, _kwargs: object, result: OrtValue | None) -> Fields:
    return {} if result is None else _on_stream(recorder, value_fields(result, "write"))


def _on_stream(recorder: Recorder, fields: Fields) -> Fields:
    return {**fields, "stream": NO_STREAM if fields["device"] == "cpu" else recorder.current_stream()}


def _named(args: tuple[Any, ...], kwargs: Fields, names: tuple[str, ...]) -> Fields:
    return {**dict(zip(names, args, strict=False)), **kwargs}
