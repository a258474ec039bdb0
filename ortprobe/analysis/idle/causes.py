"""Why a device, or one of its streams, can have nothing to do.

A gap is told along the launch of the work that ended it. Until the launching call begins, the host is late: the cause
is what the launching thread was doing. From then on the work is being launched, and once the launch has arrived, the
device holds it. A launch has arrived `ARRIVAL_NS` after its call returned: nobody sees when it really does.
"""

from __future__ import annotations

from enum import StrEnum


class IdleCause(StrEnum):
    """Why there was nothing to do. Where a thread was in several things at once, the first of the host's causes that
    applies counts; of CUDA calls in one another, and of nodes and runs, the innermost."""

    PROFILER = "profiler"
    """Host. The profiler's own work, as CUPTI or the capture records it. CUPTI does not say on which thread: on each
    that was in one CUDA call all the while. That holds for the loading of code too."""
    SESSION_INIT = "session-init"
    """Host. An ONNX Runtime session was being created, whatever CUDA calls that took."""
    MODULE_LOADING = "module-loading"
    """Host. CUDA loads the code of a kernel: as CUPTI records it, in calls that do nothing else, and in a kernel's
    first launch, or a question for its attributes (`cudaFuncGetAttributes`), when that lasts longer than
    `FIRST_LAUNCH_NS` (CUDA loads lazily: `CUDA_MODULE_LOADING`)."""
    ALLOCATION = "allocation"
    """Host. Memory was being allocated or freed by CUDA."""
    SYNC_WAIT = "sync-wait"
    """Host. The thread was in a call that waits for device work, which was done or of another device; copies to
    pageable memory and `cudaMemcpy` wait too."""
    CUDA_CALL = "cuda-call"
    """Host. Another CUDA call; of a launch, only one that was made from nowhere known."""
    CPU_NODE = "cpu-node"
    """Host. An ONNX node on the CPU, or a Memcpy node."""
    ORT_HOST = "ort-host"
    """Host. Host code of an ONNX node on the GPU, of the run around it, or of another call of onnxruntime. Launches
    that the thread made meanwhile are part of it: not they are late, but what comes after them."""
    TORCH_OP = "torch-op"
    """Host. Host code of a torch op, or of a hooked call that is not onnxruntime's; launches as above."""
    PYTHON = "python"
    """Host. The program's own code: no call of onnxruntime, torch or CUDA was on the thread."""
    PAGEABLE_COPY = "pageable-copy"
    """Launch. From the start of a call that copies from pageable memory to the start of the copy: the host stages the
    data. Between the parts of a copy from or to pageable memory too, and until the call of one to the device ends."""
    LAUNCH_LATENCY = "launch-latency"
    """Launch. From the start of the launching call to the start of its work, if the call had not returned when the gap
    began, or the work starts before the launch has arrived for certain."""
    CROSS_STREAM_WAIT = "cross-stream-wait"
    """Device. The stream was told to wait for work that ended in the gap or at its beginning: from the start of the
    launching call to the end of that work, and on to the start of the held work when that is less than
    `EVENT_LATENCY_NS` later. Known only where the trace resolves the wait."""
    WITHIN_GRAPH = "within-graph"
    """Device. Between two pieces of work of one launch of a CUDA graph."""
    ENGINE_SWITCH = "engine-switch"
    """Device. Queued work, and less than `ENGINE_SWITCH_NS` between a copy from or to the host and other work of the
    same stream: a copy engine and the others hand over."""
    BACK_TO_BACK = "back-to-back"
    """Device. Queued work, and less than `BACK_TO_BACK_NS` between two other pieces of it."""
    NO_MORE_WORK = "no-more-work"
    """After the last work that torch's profiler recorded in one go."""
    UNATTRIBUTED = "unattributed"
    """Work whose launch is not in the trace, and queued work that starts later than anything above explains."""


CAUSES = tuple(IdleCause)
"""Columns name a cause by its position in here."""

HOST_CAUSES = CAUSES[: CAUSES.index(IdleCause.LAUNCH_LATENCY) + 1]
"""The host was late, or was launching: a line of the program stands behind it."""

# Measured on H100s (onnxruntime-gpu 1.31.1, torch 2.11 and CUDA 13.0): 174,600 gaps of 36 recordings.
ARRIVAL_NS = 3_000
"""Work launched on an idle device starts up to 2.9 µs after its call has returned (99 of 100)."""
LATE_ARRIVAL_NS = 10_000
"""No launch takes longer than this to arrive: 8.1 µs at most, graphs 6.1."""
BACK_TO_BACK_NS = 5_000
"""Queued work starts 1.1 µs after the work before it (median of 28,700), 3.1 (99 of 100), 5.2 at most."""
ENGINE_SWITCH_NS = 12_000
"""Between a copy from or to the host and a kernel of its stream lie 4.6 to 9.9 µs."""
EVENT_LATENCY_NS = 10_000
"""How long after the awaited work's end a stream starts what it held back: 5.2 µs at most."""
FIRST_LAUNCH_NS = 100_000
"""A launching call takes 4 to 20 µs; the first one of a kernel 300 µs to 20 ms when its code is not loaded yet. A
question for a kernel's attributes takes 5 µs (99 of 100 of 7,306 below 15 µs), or 100 µs to 38 ms."""
