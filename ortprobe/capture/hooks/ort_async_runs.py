"""The hook on `run_async`, whose runs begin after the call has returned, on threads of onnxruntime's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import get_native_id
from time import time_ns
from typing import TYPE_CHECKING, Any

from ortprobe.bundle import NO_STREAM, NONE
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.ort_runs import Run, before_run, given, hook_way_to_run
from ortprobe.capture.hooks.patches import Patches, as_hook
from ortprobe.capture.recorder import Recorder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def hook_async_runs(patches: Patches, recorder: Recorder, session_class: type) -> None:
    """Install the hook beside those of `hook_runs`."""
    hook_way_to_run(patches, recorder, session_class, "run_async", _wrap_run_async)


def _wrap_run_async(original: Callable[..., object], recorder: Recorder) -> Callable[..., object]:
    """The call returns before the run has begun, on a thread of onnxruntime's own, which then calls the program back.

    The run is logged as `run_async` of that thread: from when it was asked for, or from when the thread had finished
    the one before, until the program is called back.
    """
    log = recorder.log
    # By OS thread: Python forgets what it keeps for a thread of another's as soon as each callback returns.
    ends_ns: dict[int, int] = {}

    @wraps(original)
    def run_async(self: InferenceSession, *args: Any, **kwargs: Any) -> object:
        callback = given(args, kwargs, "callback", 2)
        if not log.enabled or not callable(callback):
            return original(self, *args, **kwargs)
        run, site = before_run(recorder, recorder.sessions.state(self)), call_site()
        run.start_ns = time_ns()

        @as_hook
        @wraps(callback)
        def called_back(*results: Any) -> object:
            run.end_ns = time_ns()
            thread = get_native_id()
            began_ns = max(run.start_ns, ends_ns.get(thread, 0))
            ends_ns[thread] = run.end_ns
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
