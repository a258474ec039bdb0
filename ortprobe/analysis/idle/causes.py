"""Why a device can have nothing to do."""

from __future__ import annotations

from enum import StrEnum


class IdleCause(StrEnum):
    """Why the device had nothing to do. The first group: the next work had not been launched yet, by what its thread
    was doing meanwhile. The second: it was launched, and the device did not start it."""

    SESSION_INIT = "session-init"
    MODULE_LOADING = "module-loading"
    """CUDA loads code for a kernel at its first launch."""
    ALLOCATION = "allocation"
    SYNC_WAIT = "sync-wait"
    """The thread waited for work that was already finished, or returned from waiting."""
    CPU_NODE = "cpu-node"
    """An ONNX node on the CPU, or a Memcpy node."""
    ORT_HOST = "ort-host"
    """Host code of an ONNX node on the GPU, or of the run around it."""
    TORCH_OP = "torch-op"
    CUDA_CALL = "cuda-call"
    """Another CUDA call, not a launch."""
    PROFILER = "profiler"
    PYTHON = "python"
    """The program's own code: no call of onnxruntime, torch or CUDA was on the thread."""
    LAUNCH_LATENCY = "launch-latency"
    """From the launching call's start to the work's start."""
    CROSS_STREAM_WAIT = "cross-stream-wait"
    BACK_TO_BACK = "back-to-back"
    """Queued work, and less than 5 µs between two pieces of it."""
    NO_MORE_WORK = "no-more-work"
    """After the last work that torch's profiler recorded in one go."""
    UNATTRIBUTED = "unattributed"


CAUSES = tuple(IdleCause)
"""Columns name a cause by its position in here."""
