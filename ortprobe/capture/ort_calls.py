"""Hooks on what a program does with onnxruntime sessions: run them, bind buffers, wait, end a profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from math import prod
from time import perf_counter_ns, time_ns
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from ortprobe.bundle import NO_STREAM, NONE
from ortprobe.capture.callsite import call_site
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.nvtx_ranges import open_range, range_closer
from ortprobe.capture.patches import Patches
from ortprobe.capture.recorder import Recorder
from ortprobe.capture.sessions import SessionState

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding, OrtValue
    from torch._C._profiler import _RecordFunctionFast

Fields = dict[str, Any]
Describe = Callable[[Recorder, Any, tuple[Any, ...], Fields, Any], Fields]
"""Fields of a `Call` from the object, its arguments by position and by name, and what the call returned."""


class Wrap(Protocol):
    """Makes the hooked function that takes the place of an original."""

    def __call__(self, original: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]: ...


RUNS = ("run", "run_with_iobinding", "run_with_ort_values", "run_with_ortvaluevector")
BINDING_STEPS = (
    "synchronize_inputs",
    "synchronize_outputs",
    "copy_outputs_to_cpu",
    "get_outputs",
    "clear_binding_inputs",
    "clear_binding_outputs",
)


def hook_calls(patches: Patches, recorder: Recorder, collection: ModuleType) -> None:
    """Install the hooks on `onnxruntime.capi.onnxruntime_inference_collection`.

    `Session` is where ORT defines `run` and its like; subclasses that override it still come through here.
    """
    binding, value = collection.IOBinding, collection.OrtValue
    owners: dict[type, dict[str, Wrap]] = {
        collection.Session: {
            "end_profiling": _wrap_end_profiling,
            "run_async": _wrap_run_async,
            **dict.fromkeys(RUNS, _wrap_run),
        },
        binding: {
            "__init__": _describing("io_binding", _new_binding),
            "bind_input": _describing("bind_input", _bound_input),
            "bind_cpu_input": _describing("bind_cpu_input", _bound_cpu_input),
            "bind_ortvalue_input": _describing("bind_ortvalue_input", _bound_value("read")),
            "bind_output": _describing("bind_output", _bound_output),
            "bind_ortvalue_output": _describing("bind_ortvalue_output", _bound_value("write")),
            **{name: _describing(name, _of_binding) for name in BINDING_STEPS},
        },
        value: {
            "update_inplace": _describing("update_inplace", _updated_value),
            "ortvalue_from_numpy": _describing("ortvalue_from_numpy", _made_value),
        },
    }
    for owner, wrappers in owners.items():
        for name, wrap in wrappers.items():
            if not patches.replace(owner, name, partial(wrap, recorder=recorder)):
                recorder.log.lost(f"hook:{name}", f"this onnxruntime has no {owner.__name__}.{name}")


def hook_costs_ns(recorder: Recorder, calls: int = 200) -> list[int]:
    """What the hook on `run` adds to each of so many calls, tried on a session whose run does nothing.

    In Nsight Systems these are ranges `ortprobe_hook_cost`, after the program's own.
    """

    class Idle:
        def ortprobe_hook_cost(self) -> None:
            """Nothing."""

    session = Idle()
    recorder.sessions.keep(session, recorder.sessions.begin(session))
    hooked = _wrap_run(Idle.ortprobe_hook_cost, recorder)
    costs: list[int] = []
    for _ in range(calls):
        start_ns = perf_counter_ns()
        hooked(session)
        middle_ns = perf_counter_ns()
        session.ortprobe_hook_cost()
        costs.append(2 * middle_ns - start_ns - perf_counter_ns())
    return costs


@dataclass(slots=True)
class Run:
    """One run: the C session, what is attached, and the name torch's profiler is to give it."""

    state: SessionState | None
    attached: int = 0
    marker: _RecordFunctionFast | None = None
    start_ns: int = 0
    end_ns: int = 0
    error: str = ""


def _wrap_run(original: Callable[..., object], recorder: Recorder) -> Callable[..., object]:
    """Count, time and mark one run. A run nested in another (a subclass's `run` that calls ours) is part of it."""
    what = original.__name__
    push, pop = open_range(what), range_closer()
    local, log = recorder.in_thread, recorder.log

    @wraps(original)
    def hooked_run(self: InferenceSession, *args: Any, **kwargs: Any) -> object:
        if not log.enabled or getattr(local, "running", False):
            return original(self, *args, **kwargs)
        run = _before_run(recorder, self)
        local.running = True
        push()
        run.start_ns = time_ns()
        try:
            if run.marker is None:
                return original(self, *args, **kwargs)
            with run.marker:
                return original(self, *args, **kwargs)
        except BaseException as raised:
            run.error = one_line(raised)
            raise
        finally:
            run.end_ns = time_ns()
            pop()
            local.running = False
            given = args[0] if args else kwargs.get("iobinding")
            _after_run(recorder, self, what, run, given if what == "run_with_iobinding" else None)

    return hooked_run


def _wrap_run_async(original: Callable[..., object], recorder: Recorder) -> Callable[..., object]:
    """The call returns before the run has begun, on a thread of onnxruntime's own: only ORT's profile sees it."""

    @wraps(original)
    def run_async(self: InferenceSession, *args: Any, **kwargs: Any) -> object:
        why = "runs that the program started with run_async are seen only while ONNX Runtime's profile is attached"
        recorder.log.lost("run_async", why)
        return original(self, *args, **kwargs)

    return run_async


def _before_run(recorder: Recorder, session: InferenceSession) -> Run:
    run = Run(recorder.sessions.state(session))
    try:
        number = next(recorder.run_numbers)
        if run.state is not None:
            run.attached = recorder.schedule.before_run(run.state)
        if recorder.torch is not None and recorder.schedule.profiler_attached():
            run.marker = recorder.torch._C._profiler._RecordFunctionFast(f"ortprobe.run#{number}")
    except Exception as error:
        recorder.log.lost("run_marker", error)
    return run


def _after_run(recorder: Recorder, session: InferenceSession, what: str, run: Run, binding: IOBinding | None) -> None:
    try:
        serial = NONE
        if run.state is not None:
            serial = run.state.serial
            run.attached = recorder.schedule.after_run(session, run.state, run.attached)
        recorder.log.call(
            what,
            run.start_ns,
            run.end_ns,
            site=call_site(2),
            error=run.error,
            session=serial,
            binding=NONE if binding is None else recorder.sessions.binding(binding),
            stream=recorder.current_stream(),
            attached=run.attached,
        )
    except Exception as failure:
        recorder.log.lost("call:" + what, failure)


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


def _describing(what: str, describe: Describe) -> Wrap:
    """A wrapper maker that writes one `Call` named `what` with the fields that `describe` finds."""

    def wrap(original: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
        log = recorder.log

        @wraps(original)
        def hooked(self: InferenceSession, *args: Any, **kwargs: Any) -> object:
            if not log.enabled:
                return original(self, *args, **kwargs)
            result, error = None, ""
            start_ns = time_ns()
            try:
                result = original(self, *args, **kwargs)
            except BaseException as raised:
                error = one_line(raised)
                raise
            finally:
                end_ns = time_ns()
                try:
                    fields = describe(recorder, self, args, kwargs, result)
                    log.call(what, start_ns, end_ns, site=call_site(), error=error, **fields)
                except Exception as failure:
                    log.lost("call:" + what, failure)
            return result

        return hooked

    return wrap


def _of_binding(recorder: Recorder, binding: IOBinding, _args: object, _kwargs: object, _result: object) -> Fields:
    return {"binding": recorder.sessions.binding(binding), "stream": recorder.current_stream()}


def _new_binding(
    recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
) -> Fields:
    session = args[0] if args else kwargs.get("session")
    return {"binding": recorder.sessions.binding(binding), "session": recorder.sessions.serial(session)}


def _bound_input(
    recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
) -> Fields:
    given = _named(args, kwargs, ("name", "device_type", "device_id", "element_type", "shape", "buffer_ptr"))
    return _bound(recorder, binding, given, "read")


def _bound_output(
    recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
) -> Fields:
    given = _named(args, kwargs, ("name", "device_type", "device_id", "element_type", "shape", "buffer_ptr"))
    return _bound(recorder, binding, {"device_type": "cpu", **given}, "write")


def _bound(recorder: Recorder, binding: IOBinding, given: Fields, direction: str) -> Fields:
    fields: Fields = {
        "binding": recorder.sessions.binding(binding),
        "buffer": str(given.get("name", "")),
        "device": str(given.get("device_type", "")),
    }
    address = given.get("buffer_ptr")
    if address:
        fields[f"{direction}_address"] = int(address)
        fields[f"{direction}_bytes"] = prod(given["shape"]) * _element_bytes(given["element_type"])
    return fields


def _bound_cpu_input(
    recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
) -> Fields:
    given = _named(args, kwargs, ("name", "arr_on_cpu"))
    array = given["arr_on_cpu"]
    return {
        "binding": recorder.sessions.binding(binding),
        "buffer": str(given["name"]),
        "device": "cpu",
        "read_address": array.ctypes.data,
        "read_bytes": array.nbytes,
    }


def _bound_value(direction: str) -> Describe:
    def describe(
        recorder: Recorder, binding: IOBinding, args: tuple[Any, ...], kwargs: Fields, _result: object
    ) -> Fields:
        given = _named(args, kwargs, ("name", "ortvalue"))
        address, size_bytes, device = _value_range(given["ortvalue"])
        return {
            "binding": recorder.sessions.binding(binding),
            "buffer": str(given["name"]),
            "device": device,
            f"{direction}_address": address,
            f"{direction}_bytes": size_bytes,
        }

    return describe


def _updated_value(recorder: Recorder, value: OrtValue, _args: object, _kwargs: object, _result: object) -> Fields:
    address, size_bytes, device = _value_range(value)
    return {
        "device": device,
        "write_address": address,
        "write_bytes": size_bytes,
        "stream": NO_STREAM if device == "cpu" else recorder.current_stream(),
    }


def _made_value(_recorder: Recorder, _class: type, _args: object, _kwargs: object, result: OrtValue | None) -> Fields:
    if result is None:
        return {}
    address, size_bytes, device = _value_range(result)
    return {"device": device, "write_address": address, "write_bytes": size_bytes}


def _value_range(value: OrtValue) -> tuple[int, int, str]:
    """Address, size in bytes and device name of an OrtValue that holds a tensor."""
    if hasattr(value, "tensor_size_in_bytes"):
        size_bytes = value.tensor_size_in_bytes()
    else:
        size_bytes = prod(value.shape()) * _element_bytes(value.element_type())
    return value.data_ptr(), size_bytes, str(value.device_name()).lower()


def _element_bytes(element_type: int | type | str) -> int:
    import numpy as np

    if isinstance(element_type, int):
        import onnx

        return int(onnx.helper.tensor_dtype_to_np_dtype(element_type).itemsize)
    return int(np.dtype(element_type).itemsize)


def _named(args: tuple[Any, ...], kwargs: Fields, names: tuple[str, ...]) -> Fields:
    return {**dict(zip(names, args, strict=False)), **kwargs}
