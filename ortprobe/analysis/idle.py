"""When each device had nothing to do, and why: every idle nanosecond in exactly one cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """After the last work of the capture, or before the first."""
    UNATTRIBUTED = "unattributed"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdlePiece:
    """A part of a gap with one cause."""

    start_ns: int
    end_ns: int
    cause: IdleCause
    because: int
    """The span that shows the cause; NONE where its absence is the evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleGap:
    """A stretch without any kernel, copy or fill on a device; its pieces follow one another without holes."""

    start_ns: int
    end_ns: int
    ended_by: int
    """The device work that ended it (a span); NONE for the last gap."""
    pieces: tuple[IdlePiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdle:
    """One device. `busy_ns + idle_ns == window_ns`, and the causes sum to `idle_ns`, exactly."""

    device: int
    start_ns: int
    end_ns: int
    """The window: from the first to the last span of the torch traces."""
    busy_ns: int
    idle_ns: int
    idle_by_cause: Mapping[IdleCause, int]
    gaps: tuple[IdleGap, ...]

    @property
    def window_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Per device; empty when the capture holds no device work."""

    devices: tuple[DeviceIdle, ...]
