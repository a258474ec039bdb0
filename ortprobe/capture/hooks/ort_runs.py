"""Hooks on the ways a program runs an onnxruntime session."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from time import perf_counter_ns, time_ns
from types import CodeType
from typing import TYPE_CHECKING, Any, Protocol

from ortprobe.bundle import NONE, RUN_MARK
from ortprobe.capture.hook_log import TICK_BITS, one_line
from ortprobe.capture.hooks.buffer_ranges import array_fields, value_fields
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.nvtx_iterations import in_thread
from ortprobe.capture.hooks.nvtx_ranges import no_push, range_functions
from ortprobe.capture.hooks.patches import Patches, as_hook
from ortprobe.capture.recorder import Recorder
from ortprobe.capture.sessions import SessionState

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding, RunOptions
    from torch._C._profiler import _RecordFunctionFast

Fields = dict[str, Any]


class Wrap(Protocol):
    """Makes the hooked function that takes the place of an original."""

    def __call__(self, original: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]: ...


RUN_OPTIONS_AT = {"run": 2, "run_with_iobinding": 1, "run_with_ort_values": 2, "run_with_ortvaluevector": 0}
"""Every way to run a session at once, and where its RunOptions are when they are given by position."""
_MOST_LINES = 10_000
_RUN_OPTION_KEYS = ("disable_synchronize_execution_providers", "gpu_graph_id", "memory.enable_memory_arena_shrinkage")
"""Entries of RunOptions that change what a run waits for or what it costs (onnxruntime_run_options_config_keys.h)."""


def hook_runs(patches: Patches, recorder: Recorder, session_class: type) -> None:
    """Install the hooks on `onnxruntime.capi.onnxruntime_inference_collection.Session`.

    That is where ORT defines `run` and its like; subclasses that override it still come through here.
    """
    for name in RUN_OPTIONS_AT:
        hook_way_to_run(patches, recorder, session_class, name, _wrap_run)


def hook_way_to_run(patches: Patches, recorder: Recorder, session_class: type, name: str, wrap: Wrap) -> None:
    """Install one of them, or note that this onnxruntime has none of the name."""
    if not patches.replace(session_class, name, partial(wrap, recorder=recorder)):
        recorder.log.lost(f"hook:{name}", f"this onnxruntime has no {session_class.__name__}.{name}")


def hook_costs_ns(recorder: Recorder, calls: int = 200) -> list[int]:
    """What the hook on `run` adds to each of so many calls, tried on a session whose run does nothing.

    With `ortprobe nsys --whole` these are ranges `ortprobe_hook_cost`, after the program's own.
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
    with in_thread.apart():
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
    """Count, time and mark one run. A run nested in another (a subclass's `run` that calls ours) is part of it.

    Runs that nothing is attached to are all that a service makes after its first minute: they take the shortest way.
    """
    what = original.__name__
    push, pop = range_functions(what, "run")
    local, log, state_of = recorder.in_thread, recorder.log, recorder.sessions.state
    nobody_listens = push is no_push
    plain_runs = PlainRuns(recorder, what)
    most_plain_args = RUN_OPTIONS_AT.get(what, 0)

    @wraps(original)
    def hooked_run(self: InferenceSession, *args: Any, **kwargs: Any) -> object:
        if not log.enabled or getattr(local, "running", False):
            return original(self, *args, **kwargs)
        state = state_of(self)
        is_plain = len(args) <= most_plain_args and not kwargs and nobody_listens
        if state is None or not state.is_settled or log.in_window or not is_plain:
            return attended_run(self, state, args, kwargs)
        error = ""  # as text: a frame that holds its own exception lives until the next garbage collection
        local.running = True
        start_ns = time_ns()
        try:
            return original(self, *args)
        except BaseException as raised:
            error = one_line(raised)
            raise
        finally:
            end_ns = time_ns()
            local.running = False
            plain_runs.log(state, args, start_ns, end_ns, error)

    @as_hook
    def attended_run(
        session: InferenceSession, state: SessionState | None, args: tuple[Any, ...], kwargs: Fields
    ) -> object:
        run = before_run(recorder, state)
        result = None
        local.running = True
        push(run.number)
        run.start_ns = time_ns()
        try:
            result = original(session, *args, **kwargs)
        except BaseException as raised:
            run.error = one_line(raised)
            raise
        finally:
            run.end_ns = time_ns()
            pop()
            local.running = False
            try:
                _leave_marker(run)
                _after_run(recorder, session, what, run, args, kwargs, result)
            except Exception as failure:
                log.lost("call:" + what, failure)
        return result

    return hooked_run


class PlainRuns:
    """Logs runs that nothing is attached to, in as few steps as there can be: what it costs is paid by every run.

    The line of a run, but for what differs between runs of one session from one place, is made once.
    """

    def __init__(self, recorder: Recorder, what: str) -> None:
        self._recorder = recorder
        self._what = what
        self._has_binding = what == "run_with_iobinding"
        self._lines: dict[tuple[int, int, int], tuple[CodeType, str, bytes]] = {}
        """By code and instruction of the caller, and session; the code is kept, so that its id stays its own."""

    def log(self, state: SessionState, args: tuple[Any, ...], start_ns: int, end_ns: int, error: str) -> None:
        """Log a run, to be called by the hook itself: the frame above it is the caller's."""
        recorder = self._recorder
        try:
            frame = sys._getframe(2)
            key = (id(frame.f_code), frame.f_lasti, state.serial)
            known = self._lines.get(key)
            if known is None:
                known = self._learn(key, frame.f_code, state)
            _, site, line = known
            log = recorder.log
            if end_ns >> TICK_BITS != log.tick:
                log.anchor()
            if not log.detailed and not error and recorder.served.add(state.serial, self._what, site, start_ns, end_ns):
                return
            number = next(recorder.run_numbers)
            binding = recorder.sessions.binding(args[0]) if self._has_binding and args else NONE
            if error:
                fields: Fields = {"session": state.serial, "binding": binding, "run": number}
                log.call(self._what, start_ns, end_ns, site=site, error=error, **fields)
            else:
                log.line(line % (log.thread(), start_ns, end_ns, number, binding))
        except Exception as failure:
            recorder.log.lost("call:" + self._what, failure)

    def _learn(self, key: tuple[int, int, int], code: CodeType, state: SessionState) -> tuple[CodeType, str, bytes]:
        site = call_site(3)
        text = json.dumps({"type": "call", "what": self._what, "session": state.serial, "site": site})
        head = text[:-1].replace("%", "%%").encode()
        line = head + b',"thread":%d,"start_ns":%d,"end_ns":%d,"run":%d,"binding":%d}\n'
        if len(self._lines) >= _MOST_LINES:
            self._lines.clear()
        self._lines[key] = (code, site, line)
        return code, site, line


def before_run(recorder: Recorder, state: SessionState | None) -> Run:
    run = Run(state, next(recorder.run_numbers))
    try:
        if state is not None:
            recorder.sessions.any_created = True
            run.attached = recorder.schedule.before_run(state)
        torch = recorder.torch
        if torch is not None and recorder.log.in_window:
            run.marker = torch._C._profiler._RecordFunctionFast(f"{RUN_MARK}{run.number}")
            run.marker.__enter__()
    except Exception as error:
        recorder.log.lost("run_marker", error)
    return run


def _leave_marker(run: Run) -> None:
    """torch raises when its profiler was attached between the marker's beginning and its end, by another thread."""
    if run.marker is not None:
        with suppress(RuntimeError):
            run.marker.__exit__(None, None, None)


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
    if run.end_ns >> TICK_BITS != log.tick:
        log.anchor()
    site = call_site(3)
    if run.attached or run.error or log.detailed:
        options = given(args, kwargs, "run_options", RUN_OPTIONS_AT.get(what))
        _log_run(recorder, what, run, site, (args, kwargs, options, result))
    elif not recorder.served.add(serial, what, site, run.start_ns, run.end_ns):
        log.call(what, run.start_ns, run.end_ns, site=site, session=serial, run=run.number)


def _log_run(
    recorder: Recorder, what: str, run: Run, site: str, call: tuple[tuple[Any, ...], Fields, RunOptions | None, object]
) -> None:
    """A run with all that is known of it."""
    args, kwargs, options, result = call
    log = recorder.log
    binding = given(args, kwargs, "iobinding", 0) if what == "run_with_iobinding" else None
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
    if binding is not None:
        _log_bound_inputs(recorder, binding, run, site)
    if what == "run" and not run.attached:
        return  # arrays on the host, which matter beside a trace alone
    for direction, name, fields in _buffers(what, args, kwargs, result):
        if what == "run" and fields.get("device") == "cpu":
            fields["origin"] = recorder.host_memory.origin(fields)
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
    if what == "run":
        for array in result if isinstance(result, list) else ():
            recorder.host_memory.given(array, "run")


def _log_bound_inputs(recorder: Recorder, binding: IOBinding, run: Run, site: str) -> None:
    """The buffers of a run's binding that nobody holds, whose memory torch may have given to another tensor, and
    whether arrays of the host that it was given still hold what they held then."""
    dead = (("dead_buffer", buffer) for buffer in recorder.pointers.dead(binding))
    compared = ((found.value, buffer) for buffer, found in recorder.host_inputs.compare(binding))
    number = recorder.sessions.binding(binding)
    for what, buffer in (*dead, *compared):
        recorder.log.call(
            what, run.start_ns, run.start_ns, site=site, binding=number, buffer=buffer, run=run.number
        )  # fmt: skip


def _buffers(what: str, args: tuple[Any, ...], kwargs: Fields, result: object) -> Iterable[tuple[str, str, Fields]]:
    """The buffers that a run without an IOBinding reads and writes: direction, name, fields of a `Call`."""
    if what == "run":
        feeds = given(args, kwargs, "input_feed", 1) or {}
        return [("read", name, fields) for name, feed in feeds.items() if (fields := array_fields(feed, "read"))]
    if what == "run_with_ort_values":
        feeds = given(args, kwargs, "input_dict_ort_values", 1) or {}
        names = given(args, kwargs, "output_names", 0) or ()
        fetches = result if isinstance(result, list | tuple) else ()
        named = [*names, *(f"output {index}" for index in range(len(names), len(fetches)))]
        return [
            *(("read", name, value_fields(feed, "read")) for name, feed in feeds.items()),
            *(("write", name, value_fields(fetch, "write")) for name, fetch in zip(named, fetches, strict=False)),
        ]
    return []


def _option_entries(options: RunOptions) -> dict[str, str]:
    entries = {}
    for key in _RUN_OPTION_KEYS:
        with suppress(RuntimeError):  # onnxruntime 1.31 raises it for a key that was not set
            entries[key] = str(options.get_run_config_entry(key))
    return {key: value for key, value in entries.items() if value}


def given(args: tuple[Any, ...], kwargs: Fields, name: str, position: int | None) -> Any:  # noqa: ANN401
    if position is not None and len(args) > position:
        return args[position]
    return kwargs.get(name)
