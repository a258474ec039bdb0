"""Replacing attributes of other people's classes and modules, and putting them back."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from ortprobe.capture.hooks.callsite import hook_file, is_ours

Replacement = TypeVar("Replacement")


class Patches:
    """Every replacement made through `replace`, undone by `restore` in reverse order."""

    def __init__(self) -> None:
        self._undo: list[tuple[object, str, object, object, bool]] = []

    def replace(self, owner: object, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
        """Put `wrap(original)` in the place of `owner.name`; False when there is no such name.

        Static and class methods stay what they are. The replacement is made a hook: see `as_hook`.
        """
        inherited = name not in vars(owner)
        if inherited and not hasattr(owner, name):
            return False
        original = getattr(owner, name) if inherited else vars(owner)[name]
        replacement: object
        if isinstance(original, classmethod | staticmethod):
            replacement = type(original)(as_hook(wrap(original.__func__)))
        else:
            replacement = as_hook(wrap(original))
        setattr(owner, name, replacement)
        self._undo.append((owner, name, original, replacement, inherited))
        return True

    def restore(self) -> None:
        """Put every original back. What somebody else has replaced since is left alone, since it may call ours."""
        for owner, name, original, replacement, inherited in reversed(self._undo):
            if vars(owner).get(name) is not replacement:
                continue
            if inherited:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._undo.clear()


def as_hook(function: Replacement) -> Replacement:
    """Give a function of ortprobe the file name of a hook: a frame that stands between the program and what it called.

    Tracebacks leave such frames out (`tracebacks.py`), and so do `stacklevel` of `warnings.warn` and of `logging`,
    which count no frame whose file name holds both `importlib` and `_bootstrap` (CPython 3.11 to 3.13,
    Python/_warnings.c, `is_internal_frame`).
    """
    if isinstance(function, FunctionType) and is_ours(function.__code__.co_filename):
        function.__code__ = function.__code__.replace(co_filename=hook_file(function.__code__.co_filename))
    return function
