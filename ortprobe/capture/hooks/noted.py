"""What a hook does around a call that it stands in for: an NVTX range, the times, and a record of the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from time import time_ns
from typing import Any

from ortprobe.capture.hook_log import one_line
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.nvtx_ranges import Pop, Push, no_push
from ortprobe.capture.hooks.patches import as_hook
from ortprobe.capture.recorder import Recorder

Fields = dict[str, Any]
Arguments = tuple[Any, ...]
Describe = Callable[[Arguments, Fields, Any], Fields | None]
"""Fields of a `Call` from the arguments by position, those by name, and what the call returned; None for no record."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A kind of call, and how it is written down.

    With `keeps_state` the call is kept in mind where calls are not logged one by one: a window that opens later has to
    know which buffers are bound.
    """

    recorder: Recorder
    what: str
    describe: Describe
    push: Push
    pop: Pop
    keeps_state: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether a call of this kind would leave neither a record nor a range."""
        log = self.recorder.log
        return not log.enabled or (not log.detailed and not self.keeps_state and self.push is no_push)


def noting(noted: Noted, original: Callable[..., Any]) -> Callable[..., Any]:
    """The function that takes the place of an original, whatever kind of method that is and however it is called."""

    @wraps(original)
    def hooked(*args: Any, **kwargs: Any) -> object:
        return original(*args, **kwargs) if noted.is_idle else call_noted(noted, original, args, kwargs)

    return hooked


@as_hook
def call_noted(noted: Noted, original: Callable[..., Any], args: Arguments, kwargs: Fields) -> object:
    """Call the original; what it returns and raises goes on, and what fails in the describing goes nowhere."""
    result, error = None, ""
    noted.push(None)
    start_ns = time_ns()
    try:
        result = original(*args, **kwargs)
    except BaseException as raised:
        error = one_line(raised)
        raise
    finally:
        end_ns = time_ns()
        noted.pop()
        _write(noted, (start_ns, end_ns), error, (args, kwargs, result))
    return result


def _write(noted: Noted, times_ns: tuple[int, int], error: str, call: tuple[Arguments, Fields, object]) -> None:
    recorder = noted.recorder
    try:
        if recorder.log.detailed or noted.keeps_state or error:
            fields = noted.describe(*call)
            if fields is not None:
                recorder.note(noted.what, *times_ns, call_site(), error, fields, keeps_state=noted.keeps_state)
    except Exception as failure:
        recorder.log.lost("call:" + noted.what, failure)
