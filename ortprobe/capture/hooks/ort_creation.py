"""Hooks on the creation of onnxruntime sessions: by the constructor, by `set_providers`, by the fallback inside `run`.

Read in onnxruntime 1.20 to 1.32, capi/onnxruntime_inference_collection.py: `InferenceSession.__init__` and
`_reset_session` (called by `set_providers`) both make the C session in `_create_inference_session`. When that raises
inside `__init__`, or an execution provider fails inside `run` or `run_with_ort_values`, ORT prints two lines and makes
another one with its fallback providers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from time import time_ns
from typing import TYPE_CHECKING, Any

from ortprobe.bundle import NONE, SessionCreated
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.nvtx_ranges import range_functions
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.recorder import Recorder
from ortprobe.capture.sessions import SessionState

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg

Options = dict[str, dict[str, str]]
Providers = Sequence[str | tuple[str, dict[str, object]]] | str | None


_SESSION_OPTIONS = (
    "execution_mode",
    "graph_optimization_level",
    "intra_op_num_threads",
    "inter_op_num_threads",
    "enable_mem_pattern",
    "enable_mem_reuse",
    "enable_cpu_mem_arena",
    "use_deterministic_compute",
    "optimized_model_filepath",
)
"""Of SessionOptions, what changes how a model is optimised and executed, and what that costs."""


@dataclass(slots=True)
class Cause:
    """Why the C session that is created next in this thread is created."""

    reason: str
    start_ns: int
    site: str
    replaces: int = NONE
    previous_options: Options | None = None
    attempts: int = 0


def hook_creation(patches: Patches, recorder: Recorder, session_class: type) -> None:
    """Install the hooks; an onnxruntime that lacks one of these methods leaves a `Lost` record."""
    wrappers = {
        "__init__": _wrap_constructor,
        "set_providers": _wrap_set_providers,
        "_create_inference_session": _wrap_create,
    }
    for name, wrap in wrappers.items():
        if not patches.replace(session_class, name, partial(wrap, recorder=recorder)):
            recorder.log.lost(f"hook:{name}", f"this onnxruntime has no {session_class.__name__}.{name}")


def _wrap_constructor(original: Callable[..., None], recorder: Recorder) -> Callable[..., None]:
    @wraps(original)
    def constructor(self: InferenceSession, *args: Any, **kwargs: Any) -> None:
        if not recorder.log.enabled:
            return original(self, *args, **kwargs)
        with _guarded(recorder, "profiler_window"):
            recorder.schedule.before_creation()
        with _because(recorder, Cause("constructor", time_ns(), call_site())), _named("session"):
            return original(self, *args, **kwargs)

    return constructor


def _wrap_set_providers(original: Callable[..., None], recorder: Recorder) -> Callable[..., None]:
    @wraps(original)
    def set_providers(self: InferenceSession, *args: Any, **kwargs: Any) -> None:
        if not recorder.log.enabled:
            return original(self, *args, **kwargs)
        is_fallback = bool(getattr(recorder.in_thread, "running", 0))
        cause = Cause("fallback" if is_fallback else "set_providers", 0, call_site())
        with _guarded(recorder, "profiler_window"):
            recorder.schedule.before_creation()
        replaced = None
        with _guarded(recorder, "replaced_session"):
            cause.previous_options = _provider_options(self)
            replaced = recorder.sessions.drop(self)
            cause.replaces = replaced.serial if replaced else NONE
        cause.start_ns = time_ns()
        error = ""
        try:
            with _because(recorder, cause), _named("set_providers"):
                return original(self, *args, **kwargs)
        except BaseException as raised:
            error = one_line(raised)
            if replaced is not None and getattr(self, "_sess", None) is not None:
                recorder.sessions.keep(self, replaced)  # refused before anything was torn down
            raise
        finally:
            if not is_fallback:
                serial = recorder.sessions.serial(self)
                recorder.log.call(
                    "set_providers", cause.start_ns, time_ns(), site=cause.site, error=error, session=serial
                )

    return set_providers


def _wrap_create(original: Callable[..., None], recorder: Recorder) -> Callable[..., None]:
    @wraps(original)
    def create(
        self: InferenceSession,
        providers: Providers,
        provider_options: Sequence[dict[str, object]] | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if not recorder.log.enabled:
            return original(self, providers, provider_options, *args, **kwargs)
        cause = getattr(recorder.in_thread, "cause", None) or Cause("constructor", time_ns(), call_site())
        if cause.attempts:
            cause.reason, cause.start_ns = "fallback", time_ns()
        cause.attempts += 1
        recorder.log.thread()  # begins the bundle of a forked child, which ORT's profile goes into
        state = recorder.sessions.begin(self)
        recorder.schedule.adopt(state)
        state.began_monotonic_ns = recorder.log.anchor()
        error = ""
        try:
            with _profiled(recorder, self, state):
                return original(self, providers, provider_options, *args, **kwargs)
        except BaseException as raised:
            error = one_line(raised)
            raise
        finally:
            end_ns = time_ns()
            with _guarded(recorder, "session_created"):
                _settle(recorder, self, state, error)
                request = _requested(providers, provider_options)
                created = _record(recorder, self, state, cause, request, end_ns, error)
                recorder.log.append(created)
                recorder.log.anchor()
                if not error:
                    state.created = created
                    recorder.session_created(created)

    return create


def _settle(recorder: Recorder, session: InferenceSession, state: SessionState, error: str) -> None:
    if error:
        recorder.sessions.abandon(state)
        return
    recorder.sessions.keep(session, state)
    for name, options in _provider_options(session).items():
        handle = int(options.get("user_compute_stream") or "0", 0)
        if name == "CUDAExecutionProvider" and handle and options.get("has_user_compute_stream", "1") == "1":
            state.stream = handle
            recorder.streams.seen(handle, int(options.get("device_id") or 0))


def _record(
    recorder: Recorder,
    session: InferenceSession,
    state: SessionState,
    cause: Cause,
    request: dict[str, dict[str, str]],
    end_ns: int,
    error: str,
) -> SessionCreated:
    path, content = session._model_path, session._model_bytes
    alive = not error
    return SessionCreated(
        session=state.serial,
        owner=state.owner,
        reason=cause.reason,
        start_ns=cause.start_ns,
        end_ns=end_ns,
        thread=recorder.log.thread(),
        replaces=cause.replaces,
        site=cause.site,
        model_path=os.path.abspath(path) if path else "",
        model_bytes=len(content) if content else 0,
        requested_providers=tuple(request),
        requested_options={name: options for name, options in request.items() if options},
        providers=tuple(session.get_providers()) if alive else (),
        provider_options=_provider_options(session) if alive else {},
        previous_provider_options=cause.previous_options or {},
        session_options=_session_options(session),
        may_fall_back=getattr(session, "_enable_fallback", None),
        profile_prefix=state.profile_prefix if alive else "",
        profile_start_ns=session.get_profiling_start_time_ns() if alive and state.profiled else 0,
        error=error,
        began_monotonic_ns=state.began_monotonic_ns,
        **(_described_model(session) if alive else {}),
    )


def _described_model(session: InferenceSession) -> dict[str, Any]:
    inputs, outputs, meta = session.get_inputs(), session.get_outputs(), session.get_modelmeta()
    return {
        "graph_name": str(meta.graph_name),
        "producer": str(meta.producer_name),
        "inputs": tuple(node.name for node in inputs),
        "outputs": tuple(node.name for node in outputs),
        "input_types": tuple(_type_of(node) for node in inputs),
        "output_types": tuple(_type_of(node) for node in outputs),
    }


def _type_of(node: NodeArg) -> str:
    return f"{node.type}[{','.join('?' if size is None else str(size) for size in node.shape or ())}]"


def _session_options(session: InferenceSession) -> dict[str, str]:
    options = session._sess_options
    if options is None:
        return {}
    found = {name: getattr(options, name, None) for name in _SESSION_OPTIONS}
    return {name: str(value) for name, value in found.items() if value is not None}


def _requested(providers: Providers, provider_options: Sequence[dict[str, object]] | None) -> Options:
    """Providers in the order asked for, each with the options named for it in either of the ways ORT takes them."""
    entries = [providers] if isinstance(providers, str) else list(providers or ())
    requested: Options = {}
    for index, entry in enumerate(entries):
        name, options = entry if isinstance(entry, tuple | list) else (entry, {})
        named = {**options, **(provider_options[index] if provider_options and index < len(provider_options) else {})}
        requested[str(name)] = {str(key): str(value) for key, value in named.items()}
    return requested


def _provider_options(session: InferenceSession) -> Options:
    options = session.get_provider_options() or {}
    return {name: {key: str(value) for key, value in values.items()} for name, values in options.items()}


@contextmanager
def _because(recorder: Recorder, cause: Cause) -> Iterator[None]:
    """Let C sessions that this thread creates inside name `cause`."""
    outer = getattr(recorder.in_thread, "cause", None)
    recorder.in_thread.cause = cause
    try:
        yield
    finally:
        recorder.in_thread.cause = outer


@contextmanager
def _profiled(recorder: Recorder, session: InferenceSession, state: SessionState) -> Iterator[None]:
    """ORT's profiler on for the creation inside; without it when it can't be arranged."""
    if not recorder.schedule.profiles_sessions:
        yield
        return
    arrangement = recorder.sessions.profiling(session, state)
    arranged = False
    with _guarded(recorder, "ort_profile"):
        arrangement.__enter__()
        arranged = True
    try:
        yield
    finally:
        if arranged:
            with _guarded(recorder, "session_options"):
                arrangement.__exit__(None, None, None)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """An NVTX range around what is inside."""
    push, pop = range_functions(name, "session")
    push(None)
    try:
        yield
    finally:
        pop()


@contextmanager
def _guarded(recorder: Recorder, what: str) -> Iterator[None]:
    """Our own work: what fails in it is written down and goes no further."""
    try:
        yield
    except Exception as error:
        recorder.log.lost(what, error)
