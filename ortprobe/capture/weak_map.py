"""Remembering something about an object of the program without keeping it alive, and without asking it anything."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class WeakIdentityMap(Generic[Key, Value]):
    """What is known about objects, by their identity.

    `weakref.WeakKeyDictionary` calls `__hash__` and `__eq__`, which a subclass of the program may have redefined or
    removed, and can't be listed while another thread adds to it.
    """

    def __init__(self, when_gone: Callable[[Value], None] | None = None) -> None:
        self._entries: dict[int, tuple[weakref.ref[Key], Value]] = {}
        self._when_gone = when_gone

    def get(self, key: Key) -> Value | None:
        entry = self._entries.get(id(key))
        return None if entry is None else entry[1]

    def get_or_make(self, key: Key, make: Callable[[], Value]) -> Value:
        """What is known, made by the first thread that asks; all threads get the same."""
        known = self.get(key)
        if known is not None:
            return known
        return self._entries.setdefault(id(key), (self._reference(key), make()))[1]

    def set(self, key: Key, value: Value) -> None:
        self._entries[id(key)] = (self._reference(key), value)

    def pop(self, key: Key) -> None:
        self._entries.pop(id(key), None)

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> list[tuple[Key, Value]]:
        """Those objects that are alive."""
        found = [(reference(), value) for reference, value in list(self._entries.values())]
        return [(key, value) for key, value in found if key is not None]

    def _reference(self, key: Key) -> weakref.ref[Key]:
        identity = id(key)

        def forget(_: object) -> None:
            """Called while the object dies, and so before another one can get its id."""
            entry = self._entries.pop(identity, None)
            if entry is not None and self._when_gone is not None:
                self._when_gone(entry[1])

        return weakref.ref(key, forget)
