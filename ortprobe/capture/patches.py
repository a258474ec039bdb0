"""Replacing attributes of other people's classes and modules, and putting them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Patches:
    """Every replacement made through `replace`, undone by `restore` in reverse order."""

    def __init__(self) -> None:
        self._undo: list[tuple[object, str, object, object, bool]] = []

    def replace(self, owner: object, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
        """Put `wrap(original)` in the place of `owner.name`; False when there is no such name.

        Static and class methods stay what they are.
        """
        inherited = name not in vars(owner)
        if inherited and not hasattr(owner, name):
            return False
        original = getattr(owner, name) if inherited else vars(owner)[name]
        replacement: object
        if isinstance(original, classmethod | staticmethod):
            replacement = type(original)(wrap(original.__func__))
        else:
            replacement = wrap(original)
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
