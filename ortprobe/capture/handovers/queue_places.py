"""Which put an item of a queue came from, told by its place in the queue.

Items can't be told by their identity: `None`, small numbers and other shared objects lie in a queue several times at
once, an item may have been put before anybody looked, and an address is used again as soon as its object has gone.
`queue.Queue` calls `_put` and `_get` while it holds its lock, where the number of items in it gives an item's place.

A queue's places are made at the first put that is to be remembered. From then until nothing remembered is left in the
queue they have to be told of every put and get. Items that vanish in another way (`with q.mutex: q.queue.clear()`) do
no harm: their places are given to the next ones.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Places(Protocol):
    """The tokens of the puts whose items are in the queue. `len` is how many."""

    def put(self, length: int, item: object, token: int | None, /) -> None:
        """An item is about to be put behind `length` others; `token` is None for one that is not to be remembered."""

    def got(self, length: int, item: object, /) -> int | None:
        """An item was taken of `length`, itself among them. Gives the token of its put."""

    def __len__(self) -> int: ...


class Line:
    """Of `queue.Queue`: first in, first out."""

    def __init__(self) -> None:
        self._taken = 0
        self._tokens: dict[int, int] = {}

    def put(self, length: int, _item: object, token: int | None, /) -> None:
        _place(self._tokens, self._taken + length, token)

    def got(self, _length: int, _item: object, /) -> int | None:
        place = self._taken
        self._taken += 1
        return self._tokens.pop(place, None)

    def __len__(self) -> int:
        return len(self._tokens)


class Stack:
    """Of `queue.LifoQueue`: last in, first out."""

    def __init__(self) -> None:
        self._tokens: dict[int, int] = {}

    def put(self, length: int, _item: object, token: int | None, /) -> None:
        _place(self._tokens, length, token)

    def got(self, length: int, _item: object, /) -> int | None:
        return self._tokens.pop(length - 1, None)

    def __len__(self) -> int:
        return len(self._tokens)


class Heap:
    """Of `queue.PriorityQueue`, where an item's place says nothing about its put: it is known by its identity.

    One and the same object put several times can't be told apart; the put that was first is taken to come out first.
    """

    def __init__(self) -> None:
        self._tokens: dict[int, deque[int | None]] = {}

    def put(self, length: int, item: object, token: int | None, /) -> None:
        if length == 0:
            self._tokens.clear()
        self._tokens.setdefault(id(item), deque()).append(token)

    def got(self, _length: int, item: object, /) -> int | None:
        tokens = self._tokens.get(id(item))
        if tokens is None:
            return None
        token = tokens.popleft()
        if not tokens:
            del self._tokens[id(item)]
        return token

    def __len__(self) -> int:
        return len(self._tokens)


def _place(tokens: dict[int, int], place: int, token: int | None) -> None:
    if token is None:
        tokens.pop(place, None)
    else:
        tokens[place] = token
