"""Stacks and tracebacks as the program would see them without the tracer.

A hook adds its own frame to the traceback of every exception that passes through it, and ortprobe's command line lies
underneath the program. Both are left out wherever Python shows them: in `traceback` and all that is made of it
(`logging`, `warnings`, most of the programs' own handlers), and in the hooks of `sys` and `threading` that print
uncaught exceptions in C. What reads `tb_next` or `f_back` by itself (`inspect.stack`, `faulthandler`) shows them.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import cache, wraps
from types import FrameType, TracebackType
from typing import Any, TypeVar

from ortprobe.capture.hooks.callsite import OUTERMOST, is_hook, is_ours
from ortprobe.capture.hooks.patches import Patches

Entry = TypeVar("Entry", bound=tuple[Any, ...])


def hide_tracer(patches: Patches) -> None:
    """Have Python's own ways of showing stacks leave out the tracer. A Python that lacks one of them shows it there."""
    for name in ("walk_tb", "_walk_tb_with_full_positions"):  # the second: CPython 3.11 to 3.13
        patches.replace(traceback, name, _without_hooks)
    patches.replace(traceback, "walk_stack", _inside_program)
    cleaned = cache(_cleaned), cache(_cleaned_in_one)  # `sys.excepthook is sys.__excepthook__` stays true
    for name in ("excepthook", "__excepthook__"):
        patches.replace(sys, name, cleaned[0])
        patches.replace(threading, name, cleaned[1])
    for name in ("unraisablehook", "__unraisablehook__"):
        patches.replace(sys, name, cleaned[1])


def hide_hooks(error: BaseException) -> None:
    """Take the frames of hooks out of an exception's traceback, its causes' and those of what it groups, in place."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        shown = waiting.pop()
        if shown is None or id(shown) in seen:
            continue
        seen.add(id(shown))
        shown.__traceback__ = without_hooks(shown.__traceback__)
        waiting += (shown.__cause__, shown.__context__)
        if isinstance(shown, BaseExceptionGroup):
            waiting += shown.exceptions


def hide_launcher(entries: TracebackType | None) -> TracebackType | None:
    """The traceback from the program's first frame on, when it begins further out."""
    while entries is not None and is_ours(entries.tb_frame.f_code.co_filename):
        entries = entries.tb_next
    return entries


def without_hooks(entries: TracebackType | None) -> TracebackType | None:
    """The same traceback, changed in place, less the entries of hooks."""
    while entries is not None and _is_hooks(entries):
        entries = entries.tb_next
    kept = entries
    while kept is not None:
        following = kept.tb_next
        if following is not None and _is_hooks(following):
            kept.tb_next = following.tb_next
        else:
            kept = following
    return entries


def _without_hooks(walk: Callable[..., Iterator[Entry]]) -> Callable[..., Iterator[Entry]]:
    @wraps(walk)
    def walk_tb(*args: Any, **kwargs: Any) -> Iterator[Entry]:
        return (entry for entry in walk(*args, **kwargs) if not is_hook(entry[0].f_code.co_filename))

    return walk_tb


def _inside_program(walk: Callable[..., Iterator[Entry]]) -> Callable[..., Iterator[Entry]]:
    """`walk_stack(None)` counts frames from the one that iterates over it, so that start is found here."""

    @wraps(walk)
    def walk_stack(f: FrameType | None) -> Iterator[Entry]:
        for entry in walk(_first_outside_traceback() if f is None else f):
            filename = entry[0].f_code.co_filename
            if filename == OUTERMOST:
                return
            if not is_hook(filename):
                yield entry

    return walk_stack


def _first_outside_traceback() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (is_hook(name := frame.f_code.co_filename) or name == traceback.__file__):
        frame = frame.f_back
    return frame


def _cleaned(original: Callable[..., object]) -> Callable[..., object]:
    @wraps(original)
    def excepthook(exc_type: type[BaseException], value: BaseException | None, entries: TracebackType | None) -> None:
        if value is not None:
            hide_hooks(value)
        original(exc_type, value, without_hooks(entries))

    return excepthook


def _cleaned_in_one(original: Callable[..., object]) -> Callable[..., object]:
    """The same for hooks that get everything in one sequence: type, value, traceback, and something more."""

    @wraps(original)
    def excepthook(args: tuple[Any, ...], /) -> None:
        exc_type, value, entries, *more = args
        if value is not None:
            hide_hooks(value)
        original(type(args)((exc_type, value, without_hooks(entries), *more)))

    return excepthook


def _is_hooks(entry: TracebackType) -> bool:
    return is_hook(entry.tb_frame.f_code.co_filename)
