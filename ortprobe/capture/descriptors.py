"""Files that the tracer has open stay open when the program closes every descriptor, as daemons do when they start.

onnxruntime keeps the file of a profile open until the profile ends. If the program closed its descriptor, the number
would go to the next file that the program opens, and the profile would be written into that. And the tracer has loaded
onnxruntime and torch before the program does, which may then close what they opened: onnxruntime 1.32 keeps a database
(`~/.cache/Microsoft/DeveloperTools/.onnxruntime`), and hangs at its end when that is closed.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path

from ortprobe.capture.callsite import is_ours
from ortprobe.capture.patches import Patches

_OPEN_FILES = "/proc/self/fd"


def open_descriptors() -> dict[int, str]:
    """What each open descriptor leads to; nothing where there is no `/proc`."""
    with suppress(OSError):
        return {number: link for number in map(int, os.listdir(_OPEN_FILES)) if (link := _link(number))}
    return {}


def keep_descriptors(patches: Patches, folder: Path, before: Mapping[int, str]) -> None:
    """Have `os.close` and `os.closerange` leave alone what is not the program's: to the program it is not open.

    That is files in `folder`, and what has been opened between `before`, a look at `open_descriptors`, and now.
    """
    opened = {number: link for number, link in open_descriptors().items() if before.get(number) != link}
    inside = str(folder) + os.sep

    def is_kept(number: int) -> bool:
        link = _link(number)
        return bool(link) and (link.startswith(inside) or opened.get(number) == link)

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
            for kept in filter(is_kept, sorted(open_descriptors())):
                if fd_low <= kept < fd_high:
                    original(fd_low, kept)
                    fd_low = kept + 1
            original(fd_low, fd_high)

        return closerange

    if open_descriptors():
        patches.replace(os, "close", wrap_close)
        patches.replace(os, "closerange", wrap_closerange)


def _link(number: int) -> str:
    try:
        return os.readlink(f"{_OPEN_FILES}/{number}")
    except OSError:
        return ""
