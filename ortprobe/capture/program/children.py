"""Child processes of a traced program: each gets a bundle of its own, inside its parent's, once it uses onnxruntime.

A forked child has the hooks of its parent. A child that is another Python (`subprocess`, `multiprocessing` with spawn
or forkserver) is told by its environment: `ORTPROBE_PARENT` says what to do, and a `sitecustomize` on `PYTHONPATH`
reads it. Such a child waits for its program to import onnxruntime and leaves nothing behind if that never happens.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from ortprobe.bundle import CHILDREN, Settings
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.program.parent_variable import PARENT_VARIABLE
from ortprobe.capture.program.signals import FatalSignals

_PYTHONPATH = "PYTHONPATH"
_SITE = str(Path(__file__).parent / "child_site")
_AFTER_THE_PROGRAMS_OWN = -100
_Capture = TypeVar("_Capture")


class ChildOrder(NamedTuple):
    """What a child is to do: where its bundle goes, what it is called, how much is attached for how long."""

    family: str
    """The folder of the bundle of the process that all the others descend from."""
    name: str
    settings: Settings
    torch_profiler: bool


class ChildProcesses:
    """Follows the children of this process, until `finish`.

    Forked ones call `in_child` with the folder of their bundle.
    """

    def __init__(self, order: ChildOrder, in_child: Callable[[Path], None]) -> None:
        self._replaced: dict[str, tuple[str | None, str]] = {}
        _forked.append(lambda: in_child(own_folder(order)))
        self._set(PARENT_VARIABLE, json.dumps(msgspec.to_builtins(order)))  # paths need not be UTF-8
        known = os.environ.get(_PYTHONPATH, "")
        if _SITE not in known.split(os.pathsep):
            self._set(_PYTHONPATH, os.pathsep.join(filter(None, (_SITE, known))))

    def finish(self) -> None:
        """Leave later children alone, and the environment as it was."""
        _forked.clear()
        for name, (before, ours) in self._replaced.items():
            if os.environ.get(name) != ours:
                continue
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before

    def _set(self, name: str, value: str) -> None:
        self._replaced[name] = (os.environ.get(name), value)
        os.environ[name] = value


def detach_profiles(bundle: Path) -> None:
    """In a forked child: keep the copies of the parent's sessions from writing into the parent's ORT profiles.

    ORT's profile is a C++ file stream that the session's destructor completes, in every process that has it.
    """
    prefix = str(bundle / "ort-")
    with suppress(OSError):
        for entry in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                if os.readlink(f"/proc/self/fd/{entry}").startswith(prefix):
                    nowhere = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(nowhere, int(entry))
                    os.close(nowhere)


def call_at_exit(capture: _Capture, finish: Callable[[_Capture], None]) -> None:
    """Have a child complete its bundle, however it ends regularly.

    Forked children of `multiprocessing` end in `os._exit`, after the finalizers of `multiprocessing.util`, which are
    forgotten between the fork and the functions registered with `register_after_fork`.
    """
    atexit.register(finish, capture)
    util = sys.modules.get("multiprocessing.util")
    if util is not None:

        def finalize(capture: _Capture) -> None:
            util.Finalize(None, finish, args=(capture,), exitpriority=_AFTER_THE_PROGRAMS_OWN)

        finalize(capture)
        util.register_after_fork(capture, finalize)


def complete_when_killed(finish: Callable[[int, str], None]) -> None:
    """Have a child complete its bundle when a signal ends it, as `multiprocessing.Pool` ends its workers.

    `finish` gets the exit code that a shell shows for the signal, and its name.
    """
    FatalSignals(lambda number: finish(128 + number, signal.Signals(number).name)).__enter__()


def uncaught() -> str:
    """The exception that has ended this process, which Python notes before it calls its exit functions."""
    error = getattr(sys, "last_value", None)
    return one_line(error) if error is not None else ""


def own_folder(order: ChildOrder) -> Path:
    """Numbers of processes come back, on a machine that starts many."""
    children, process = Path(order.family) / CHILDREN, os.getpid()
    names = (str(process), *(f"{process}-{again}" for again in range(2, 1000)))
    return next(children / name for name in names if not (children / name).exists())


_forked: list[Callable[[], None]] = []


def _after_fork() -> None:
    for action in list(_forked):
        with suppress(Exception):
            action()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
