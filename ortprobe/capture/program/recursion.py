"""The recursion limit as the program would meet it without the tracer's frames underneath."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType

from ortprobe.capture.hooks.patches import Patches

_EXEC = 2 if sys.version_info < (3, 12) else 0
"""What the built-in `exec` counts for besides the frames: until CPython 3.12, C and Python share the limit."""


@contextmanager
def same_recursion_limit() -> Iterator[None]:
    """Raise the limit by the frames that lie under the block, and let the program see and set it without them."""
    beneath = _depth(sys._getframe(2)) + _EXEC
    patches = Patches()

    def wrap_get(original: Callable[[], int]) -> Callable[[], int]:
        @wraps(original)
        def getrecursionlimit() -> int:
            return original() - beneath

        return getrecursionlimit

    def wrap_set(original: Callable[[int], None]) -> Callable[[int], None]:
        @wraps(original)
        def setrecursionlimit(limit: int, /) -> None:
            original(limit + beneath if isinstance(limit, int) and limit > 0 else limit)

        return setrecursionlimit

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + beneath)
    patches.replace(sys, "getrecursionlimit", wrap_get)
    patches.replace(sys, "setrecursionlimit", wrap_set)
    try:
        yield
    finally:
        patches.restore()
        sys.setrecursionlimit(max(before, sys.getrecursionlimit() - beneath))


def _depth(frame: FrameType | None) -> int:
    depth = 0
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth
