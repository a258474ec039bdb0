"""What torch's profiler does not ask of CUPTI, asked beside it, in the process that CUPTI is loaded in."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_ACTIVITY_KIND_CUDA_EVENT = 36  # cupti_activity.h
_loaded: dict[str, ctypes.CDLL] = {}


def record_event_identity(*, enable: bool) -> str:
    """Have CUPTI say which event a wait waits for, or stop it; says why it can't, "" when it can.

    From CUPTI 12.9 on the kind CUDA_EVENT has to be enabled by itself, which Kineto does not do (kineto #1552): without
    it every `wait_on_*` field of the trace is −1.
    """
    library = loaded_library("libcupti.so")
    if library is None:
        return "torch has loaded no libcupti"
    call = library.cuptiActivityEnable if enable else library.cuptiActivityDisable
    status: int = call(_ACTIVITY_KIND_CUDA_EVENT)
    return f"cuptiActivityEnable(CUDA_EVENT) failed with CUPTI error {status}" if status else ""


def dropped_records() -> int:
    """Records CUPTI dropped for want of a buffer, since it was last asked (`cuptiActivityGetNumDroppedRecords`)."""
    library = loaded_library("libcupti.so")
    if library is None:
        return 0
    dropped = ctypes.c_size_t()
    status = library.cuptiActivityGetNumDroppedRecords(None, ctypes.c_uint32(0), ctypes.byref(dropped))
    return 0 if status else dropped.value


def stream_id(handle: int) -> int | None:
    """The id that traces have for a stream of the current context (cupti_callbacks.h, `cuptiGetStreamIdEx`)."""
    library = loaded_library("libcupti.so")
    if library is None:
        return None
    found = ctypes.c_uint32()
    status = library.cuptiGetStreamIdEx(None, ctypes.c_void_p(handle), ctypes.c_uint8(0), ctypes.byref(found))
    return None if status else found.value


def loaded_library(prefix: str) -> ctypes.CDLL | None:
    """The shared library this process has already loaded whose file name begins with `prefix`; None when it has not."""
    return _loaded.get(prefix) or _find(prefix)


def _find(prefix: str) -> ctypes.CDLL | None:
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        path = line.partition("/")[2]
        if path and os.path.basename(path).startswith(prefix):
            try:
                library = _loaded[prefix] = ctypes.CDLL("/" + path)
            except OSError:
                return None
            return library
    return None
