"""Which line of the traced program made a call, and which frames are the tracer's."""

from __future__ import annotations

import contextlib
import sys
from functools import cache
from pathlib import Path
from types import CodeType

_CAPTURE = Path(__file__).parent.parent
_ORTPROBE = str(_CAPTURE.parent) + "/"
_EXAMPLES = _ORTPROBE + "examples/"
_HOOKS = _ORTPROBE + "capture/hooks, skipped as importlib._bootstrap is/"
OUTERMOST = str(_CAPTURE / "program" / "program.py")
"""What runs the traced program; frames further out are ortprobe's command line and what it is made of."""
_LIBRARIES = ("/onnxruntime/", "/torch/", "/nvtx/")
_MOST_SITES = 10_000
_sites: dict[tuple[int, int], tuple[CodeType, str]] = {}
"""Code and instruction → the line. The code is kept, so that its identity stays its own."""


def call_site(depth: int = 1) -> str:
    """`file:line` of the innermost frame that is neither ortprobe nor onnxruntime nor torch; "" without one.

    `depth` is how many frames above the caller to start at.
    """
    frame = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        known = _sites.get((id(code), frame.f_lasti))
        if known is not None:
            return known[1]
        filename = code.co_filename
        if filename == OUTERMOST:
            return ""
        if is_program_file(filename):
            site = f"{filename}:{frame.f_lineno}"
            if len(_sites) < _MOST_SITES:
                _sites[id(code), frame.f_lasti] = (code, site)
            return site
        frame = frame.f_back  # type: ignore[assignment]
    return ""


@cache
def is_program_file(filename: str) -> bool:
    """Whether code of this file name belongs to the traced program or to a library that it uses."""
    if is_ours(filename) or filename.startswith("<frozen ") or filename == contextlib.__file__:
        return False
    packages = filename.rpartition("-packages")  # site-packages, dist-packages
    return not (packages[1] and packages[2].startswith(_LIBRARIES))


def is_ours(filename: str) -> bool:
    """Whether code of this file name is ortprobe itself. The examples are programs like any other."""
    return filename.startswith(_ORTPROBE) and not filename.startswith(_EXAMPLES)


def is_hook(filename: str) -> bool:
    """Whether code of this file name stands between the program and what the program called: see `as_hook`."""
    return filename.startswith(_HOOKS)


def hook_file(filename: str) -> str:
    """The name that code of an ortprobe file gets when it becomes a hook."""
    return filename if is_hook(filename) else _HOOKS + filename.removeprefix(_ORTPROBE)
