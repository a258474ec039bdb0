"""Hooks on `queue.Queue` and its kinds: which put an item came from, and who waited for all items to be done."""

from __future__ import annotations

import queue
from functools import partial, wraps
from typing import Any

from ortprobe.capture.handovers.handover_notes import HandoverNotes, Original, TokenPairs
from ortprobe.capture.handovers.queue_places import Heap, Line, Places, Stack
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.weak_map import WeakIdentityMap


class QueueHandovers:
    """A put and its get are noted under the queue's lock, by `_put` and `_get`, and written behind it."""

    def __init__(self, notes: HandoverNotes) -> None:
        self._notes = notes
        self._places: WeakIdentityMap[queue.Queue[Any], Places] = WeakIdentityMap()
        self._gets: dict[type[Places], Original] = {}
        self._tokens = TokenPairs(notes)

    def install(self, patches: Patches) -> None:
        notes = self._notes
        notes.replace(patches, queue.Queue, "put", notes.wrap_flushing)
        notes.replace(patches, queue.Queue, "get", notes.wrap_flushing)
        notes.replace(patches, queue.Queue, "task_done", partial(notes.wrap_giving, note=self._task_done))
        notes.replace(patches, queue.Queue, "join", partial(notes.wrap_taking, note=self._joined))
        kinds: tuple[tuple[type, type[Places]], ...] = (
            (queue.Queue, Line),
            (queue.LifoQueue, Stack),
            (queue.PriorityQueue, Heap),
        )
        for owner, places in kinds:
            notes.replace(patches, owner, "_put", partial(self._wrap_put, places=places))
            notes.replace(patches, owner, "_get", partial(self._wrap_get, places=places))

    def _wrap_put(self, original: Original, places: type[Places]) -> Original:
        """`_put` and `_get` are called by `queue` itself, which gives their arguments by position."""
        attached, known, guarded = self._notes.attached, self._places, self._notes.guarded
        putting = self._putting

        @wraps(original)
        def hooked(self: queue.Queue[Any], item: object) -> object:
            if attached() or known:
                guarded(putting, places, self, item)
            return original(self, item)

        return hooked

    def _wrap_get(self, original: Original, places: type[Places]) -> Original:
        known, guarded, got = self._places, self._notes.guarded, self._got

        @wraps(original)
        def hooked(self: queue.Queue[Any]) -> object:
            item = original(self)
            if known:
                guarded(got, self, item)
            return item

        self._gets[places] = hooked
        return hooked

    def _putting(self, kind: type[Places], into: queue.Queue[Any], item: object) -> None:
        places, token = self._places.get(into), None
        if self._notes.attached() and getattr(type(into), "_get", None) is self._gets.get(kind):
            if places is None:
                places = self._places.get_or_make(into, kind)
            token = self._notes.token()
            self._notes.hold("queue.put", token, gives=True)
        if places is not None:
            places.put(into._qsize(), item, token)

    def _got(self, out_of: queue.Queue[Any], item: object) -> None:
        places = self._places.get(out_of)
        if places is None:
            return
        token = places.got(out_of._qsize() + 1, item)
        if token is not None and self._notes.attached():
            self._notes.hold("queue.get", token, gives=False)
        if not places:
            self._places.pop(out_of)

    def _task_done(self, at_ns: int, _result: object, of: queue.Queue[Any]) -> None:
        self._notes.give("queue.task_done", self._tokens.way_out(of), at_ns)

    def _joined(self, _result: object, of: queue.Queue[Any]) -> None:
        self._notes.take("queue.join", self._tokens.way_out(of))
