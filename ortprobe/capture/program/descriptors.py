"""Files that the tracer has open stay open when the program closes every descriptor, as daemons do when they start.

onnxruntime keeps the file of a profile open until the profile ends. If the program closed its descriptor, the number
would go to the next file that the program opens, and the profile would be written into that.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path

from ortprobe.capture.hooks.callsite import is_ours
from ortprobe.capture.hooks.patches import Patches

_OPEN_FILES = "/proc/self/fd"


def keep_descriptors(patches: Patches, folder: Path) -> None:
    """Have `os.close` and `os.closerange` leave the files in `folder` alone: to the program they are not open."""
    inside = str(folder) + os.sep

    def is_kept(number: int) -> bool:
        return _link(number).startswith(inside)

    def wrap_close(original: Callable[[int], None]) -> Callable[[int], None]:
        @wraps(original)
        def close(fd: int) -> None:
            if is_kept(fd) and not is_ours(sys._getframe(1).f_code.co_filename):
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            original(fd)

        return close

    def wrap_closerange(original: Callable[[int, int], None]) -> Callable[[int, int], None]:
        @wraps(original)
        def closerange(fd_low: int, fd_high: int, /) -> None:
            for kept in filter(is_kept, _open_descriptors()):
                if fd_low <= kept < fd_high:
                    original(fd_low, kept)
                    fd_low = kept + 1
            original(fd_low, fd_high)

        return closerange

    if _open_descriptors():
        patches.replace(os, "close", wrap_close)
        patches.replace(os, "closerange", wrap_closerange)


def _open_descriptors() -> list[int]:
    """All of them; none where there is no `/proc`."""
    with suppress(OSError):
        return sorted(map(int, os.listdir(_OPEN_FILES)))
    return []


def _link(number: int) -> str:
    try:
        return os.readlink(f"{_OPEN_FILES}/{number}")
    except OSError:
        return ""
