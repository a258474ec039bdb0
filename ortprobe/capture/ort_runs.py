"""Hooks on the ways a program runs an onnxruntime session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, wraps
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Protocol

from ortprobe.bundle import NO_STREAM, NONE
from ortprobe.capture.buffer_ranges import array_fields, value_fields
from ortprobe.capture.callsite import call_site
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.nvtx_ranges import no_push, range_functions
from ortprobe.capture.patches import Patches
from ortprobe.capture.recorder import Recorder
from ortprobe.capture.sessions import SessionState

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions
    from torch._C._profiler import _RecordFunctionFast

Fields = dict[str, Any]


class Wrap(Protocol):
    """Makes the hooked function that takes the place of an original."""

    def __call__(self, original: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]: ...


_RUN_OPTIONS_AT = {"run": 2, "run_with_iobinding": 1, "run_with_ort_values": 2, "run_with_ortvaluevector": 0}
"""Every way to run a session at once, and where its RunOptions are when they are given by position."""
_RUN_OPTION_KEYS = ("disable_synchronize_execution_providers", "gpu_graph_id", "memory.enable_memory_arena_shrinkage")
"""Entries of RunOptions that change what a run waits for or what it costs (onnxruntime_run_options_config_keys.h)."""


def hook_runs(patches: Patches, recorder: Recorder, session_class: type) -> None:
    """Install the hooks on `onnxruntime.capi.onnxruntime_inference_collection.Session`.

    That is where ORT defines `run` and its like; subclasses that override it still come through here.
    """
    wrappers: dict[str, Wrap] = {**dict.fromkeys(_RUN_OPTIONS_AT, _wrap_run), "run_async": _wrap_run_async}
    for name, wrap in wrappers.items():
        if not patches.replace(session_class, name, partial(wrap, recorder=recorder)):
            recorder.log.lost(f"hook:{name}", f"this onnxruntime has no {session_class.__name__}.{name}")


def hook_costs_ns(recorder: Recorder, calls: int = 200) -> list[int]:
    """What the hook on `run` adds to each of so many calls, tried on a session whose run does nothing.

    In Nsight Systems these are ranges `ortprobe_hook_cost`, after the program's own.
    """

    class Idle:
        def ortprobe_hook_cost(self) -> None:
            """Nothing."""

    session = Idle()
    state = recorder.sessions.begin(session)
    recorder.schedule.adopt(state)
    recorder.sessions.keep(session, state)
    hooked = _wrap_run(Idle.ortprobe_hook_cost, recorder)
    costs: list[int] = []
    for _ in range(calls):
        start_ns = perf_counter_ns()
        hooked(session)
        middle_ns = perf_counter_ns()
        session.ortprobe_hook_cost()
        costs.append(2 * middle_ns - start_ns - perf_counter_ns())
    return costs


@dataclass(slots=True, eq=False)
class Run:
    """One run: its number, its C session, what is attached, and the range torch's profiler is to know it by."""

    state: SessionState | None
    number: int
    attached: int = 0
    marker: _RecordFunctionFast | None = None
    start_ns: int = 0
    end_ns: int = 0
    error: str = ""


def _wrap_run(original: Callable[..., object], recorder: Recorder) -> Callable[..., object]:
    """Count, time and mark one run. A run nested in another (a subclass's `run` that calls ours) is part of it."""
    what = original.__name__
    push, pop = range_functions(what, "run")
    local, log = recorder.in_thread, recorder.log

    @wraps(original)
    def hooked_run(self: InferenceSession, *args: Any, **kwargs: Any) -> object:
        if not log.enabled or getattr(local, "running", False):
            return original(self, *args, **kwargs)
        run = _before_run(recorder, self)
        marker = run.marker
        result = None
        local.running = True
        if push is not no_push:
            push(run.number)
        run.start_ns = time_ns()
        try:
            if marker is None:
                result = original(self, *args, **kwargs)
            else:
                with marker:
                    result = original(self, *args, **kwargs)
        except BaseException as raised:
            run.error = one_line(raised)
            raise
        finally:
            run.end_ns = time_ns()
            pop()
            local.running = False
            try:
                _after_run(recorder, self, what, run, args, kwargs, result)
            except Exception as failure:
                log.lost("call:" + what, failure)
        return result

    return hooked_run


def _before_run(recorder: Recorder, session: InferenceSession) -> Run:
    run = Run(recorder.sessions.state(session), next(recorder.run_numbers))
    try:
        if run.state is not None:
            recorder.sessions.any_created = True
            run.attached = recorder.schedule.before_run(run.state)
        torch = recorder.torch
        if torch is not None and recorder.schedule.profiler_attached():
            run.marker = torch._C._profiler._RecordFunctionFast(f"ortprobe.run#{run.number}")
    except Exception as error:
        recorder.log.lost("run_marker", error)
    return run


def _after_run(
    recorder: Recorder,
    session: InferenceSession,
    what: str,
    run: Run,
    args: tuple[Any, ...],
    kwargs: Fields,
    result: object,
) -> None:
    state, log = run.state, recorder.log
    serial = NONE
    if state is not None:
        serial = state.serial
        run.attached = recorder.schedule.after_run(session, state, run.attached)
    site = call_site(2)
    options = _given(args, kwargs, "run_options", _RUN_OPTIONS_AT.get(what))
    hands_over = options is not None or what in ("run_with_ort_values", "run_with_ortvaluevector")
    if run.attached or run.error or (log.detailed and hands_over):
        _log_run(recorder, what, run, site, (args, kwargs, options, result))
        return
    if not log.detailed and recorder.served.add(serial, what, site, run.start_ns, run.end_ns):
        return
    binding = NONE
    if what == "run_with_iobinding":
        binding = recorder.sessions.binding(_given(args, kwargs, "iobinding", 0))
    head = _head(recorder.line_heads, (what, serial, binding, log.thread(), site))
    log.line(b'%b"start_ns":%d,"end_ns":%d,"run":%d}\n' % (head, run.start_ns, run.end_ns, run.number))


def _head(known: dict[tuple[str, int, int, int, str], bytes], key: tuple[str, int, int, int, str]) -> bytes:
    """The line of a run up to what differs between runs of one session, thread and place: encoding it is the dearest
    part of logging it."""
    head = known.get(key)
    if head is None:
        what, session, binding, thread, site = key
        fields = {"type": "call", "what": what, "session": session, "binding": binding, "thread": thread, "site": site}
        head = json.dumps(fields).encode()[:-1] + b","
        if len(known) < 10_000:
            known[key] = head
    return head


def _log_run(
    recorder: Recorder, what: str, run: Run, site: str, call: tuple[tuple[Any, ...], Fields, RunOptions | None, object]
) -> None:
    """A run with all that is known of it: it is inside a window, it failed, or it hands over buffers of its own."""
    args, kwargs, options, result = call
    log = recorder.log
    binding = _given(args, kwargs, "iobinding", 0) if what == "run_with_iobinding" else None
    log.call(
        what,
        run.start_ns,
        run.end_ns,
        site=site,
        error=run.error,
        session=NONE if run.state is None else run.state.serial,
        binding=NONE if binding is None else recorder.sessions.binding(binding),
        stream=recorder.current_stream(),
        run=run.number,
        options=_option_entries(options) if options is not None else {},
        attached=run.attached,
    )
    for direction, name, fields in _buffers(what, args, kwargs, result):
        log.call(
            "feed" if direction == "read" else "fetch",
            run.start_ns,
            run.start_ns,
            site=site,
            buffer=name,
            run=run.number,
            **fields,
        )
        recorder.note_bound(fields)


def _buffers(what: str, args: tuple[Any, ...], kwargs: Fields, result: object) -> Iterable[tuple[str, str, Fields]]:
    """The buffers that a run without an IOBinding reads and writes: direction, name, fields of a `Call`."""
    if what == "run":
        feeds = _given(args, kwargs, "input_feed", 1) or {}
        return [("read", name, fields) for name, feed in feeds.items() if (fields := array_fields(feed, "read"))]
    if what == "run_with_ort_values":
        feeds = _given(args, kwargs, "input_dict_ort_values", 1) or {}
        names = _given(args, kwargs, "output_names", 0) or ()
        fetches = result if isinstance(result, list | tuple) else ()
        named = [*names, *(f"output {index}" for index in range(len(names), len(fetches)))]
        return [
            *(("read", name, value_fields(feed, "read")) for name, feed in feeds.items()),
            *(("write", name, value_fields(fetch, "write")) for name, fetch in zip(named, fetches, strict=False)),
        ]
    return []


def _option_entries(options: RunOptions) -> dict[str, str]:
    entries = {key: str(options.get_run_config_entry(key) or "") for key in _RUN_OPTION_KEYS}
    return {key: value for key, value in entries.items() if value}


def _given(args: tuple[Any, ...], kwargs: Fields, name: str, position: int | None) -> Any:  # noqa: ANN401
    if position is not None and len(args) > position:
        return args[position]
    return kwargs.get(name)


def _wrap_run_async(original: Callable[..., object], recorder: Recorder) -> Callable[..., object]:
    """The call returns before the run has begun, on a thread of onnxruntime's own, which then calls the program back.

    The run is logged as `run_async` of that thread: from when it was asked for, or from when the thread had finished
    the one before, until the program is called back.
    """
    log, local = recorder.log, recorder.in_thread

    @wraps(original)
    def run_async(self: InferenceSession, *args: Any, **kwargs: Any) -> object:
        callback = _given(args, kwargs, "callback", 2)
        if not log.enabled or not callable(callback):
            return original(self, *args, **kwargs)
        run, site = _before_run(recorder, self), call_site()
        run.start_ns = time_ns()

        @wraps(callback)
        def called_back(*results: Any) -> object:
            run.end_ns = time_ns()
            began_ns = max(run.start_ns, getattr(local, "async_end_ns", 0))
            local.async_end_ns = run.end_ns
            run.error = str(results[2]) if len(results) > 2 and results[2] else ""
            _end_async_run(recorder, self, run, site, began_ns)
            return callback(*results)

        if len(args) > 2:
            args = (*args[:2], called_back, *args[3:])
        else:
            kwargs["callback"] = called_back
        error = ""
        try:
            return original(self, *args, **kwargs)
        except BaseException as raised:
            error = run.error = one_line(raised)
            if run.state is not None:
                recorder.schedule.after_run(self, run.state, 0)
            raise
        finally:
            serial = NONE if run.state is None else run.state.serial
            if log.detailed or error:
                log.call("run_async.submit", run.start_ns, time_ns(), site=site, error=error, session=serial)

    return run_async


def _end_async_run(recorder: Recorder, session: InferenceSession, run: Run, site: str, began_ns: int) -> None:
    try:
        serial = NONE
        if run.state is not None:
            serial = run.state.serial
            run.attached = recorder.schedule.after_run(session, run.state, run.attached)
        is_plain = not (recorder.log.detailed or run.attached or run.error)
        if is_plain and recorder.served.add(serial, "run_async", site, began_ns, run.end_ns):
            return
        recorder.log.call(
            "run_async",
            began_ns,
            run.end_ns,
            site=site,
            error=run.error,
            session=serial,
            stream=NO_STREAM,
            run=run.number,
            attached=run.attached,
        )
    except Exception as failure:
        recorder.log.lost("call:run_async", failure)
