"""CUDA streams: the handles torch and onnxruntime use, the ids traces use, and whether they are blocking."""

from __future__ import annotations

import ctypes

from ortprobe.bundle import NONE, Stream
from ortprobe.capture.hook_log import HookLog
from ortprobe.capture.profiler.cupti import loaded_library, stream_id

LEGACY_DEFAULT_STREAM = 0
_CU_STREAM_NON_BLOCKING = 1  # cuda.h, CUstream_flags


class StreamBook:
    """Describes each stream handle in the log when it is first seen."""

    def __init__(self, log: HookLog) -> None:
        self._log = log
        self._seen: set[tuple[int, int]] = set()

    def forget(self) -> None:
        """Describe every handle again: the log is another process's from here on."""
        self._seen.clear()

    def seen(self, handle: int, device: int = 0) -> None:
        """Note a handle; does nothing from the second time on."""
        if (handle, device) in self._seen:
            return
        self._seen.add((handle, device))
        blocking = True if handle == LEGACY_DEFAULT_STREAM else _is_blocking(handle)
        known = None if handle == LEGACY_DEFAULT_STREAM else stream_id(handle)
        trace_id = NONE if known is None else known
        self._log.append(Stream(handle=handle, device=device, trace_id=trace_id, blocking=blocking))


def _is_blocking(handle: int) -> bool | None:
    driver = loaded_library("libcuda.so")
    if driver is None:
        return None
    flags = ctypes.c_uint()
    status = driver.cuStreamGetFlags(ctypes.c_void_p(handle), ctypes.byref(flags))
    return None if status else not flags.value & _CU_STREAM_NON_BLOCKING
