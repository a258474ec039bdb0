"""CUDA streams: the handles torch and onnxruntime use, the ids traces use, and whether they are blocking."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from ortprobe.bundle import NONE, Stream
from ortprobe.capture.hook_log import HookLog

LEGACY_DEFAULT_STREAM = 0
_CU_STREAM_NON_BLOCKING = 1  # cuda.h, CUstream_flags


class StreamBook:
    """Describes each stream handle in the log when it is first seen."""

    def __init__(self, log: HookLog) -> None:
        self._log = log
        self._seen: set[tuple[int, int]] = set()

    def seen(self, handle: int, device: int = 0) -> None:
        """Note a handle; does nothing from the second time on."""
        if (handle, device) in self._seen:
            return
        self._seen.add((handle, device))
        blocking = True if handle == LEGACY_DEFAULT_STREAM else _is_blocking(handle)
        trace_id = NONE if handle == LEGACY_DEFAULT_STREAM else _trace_id(handle)
        self._log.append(Stream(handle=handle, device=device, trace_id=trace_id, blocking=blocking))


def loaded_library(prefix: str) -> ctypes.CDLL | None:
    """The shared library this process has already loaded whose file name begins with `prefix`; None when it has not."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        path = line.partition("/")[2]
        if path and os.path.basename(path).startswith(prefix):
            try:
                return ctypes.CDLL("/" + path)
            except OSError:
                return None
    return None


def _trace_id(handle: int) -> int:
    """CUPTI's id of a stream in the current context: `cuptiGetStreamIdEx(NULL, …)` (cupti_callbacks.h)."""
    cupti = loaded_library("libcupti.so")
    if cupti is None:
        return NONE
    stream_id = ctypes.c_uint32()
    status = cupti.cuptiGetStreamIdEx(None, ctypes.c_void_p(handle), ctypes.c_uint8(0), ctypes.byref(stream_id))
    return stream_id.value if status == 0 else NONE


def _is_blocking(handle: int) -> bool | None:
    driver = loaded_library("libcuda.so")
    if driver is None:
        return None
    flags = ctypes.c_uint()
    status = driver.cuStreamGetFlags(ctypes.c_void_p(handle), ctypes.byref(flags))
    return None if status else not flags.value & _CU_STREAM_NON_BLOCKING
