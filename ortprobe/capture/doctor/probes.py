"""What torch, onnxruntime and the driver do when they are used: `python -m ortprobe.capture.doctor.probes NAME WORDS…`.

Each probe runs in a process of its own, because it may crash, hang, print, or make a CUDA context. Its answer, one of
the dataclasses below, is the last line on stdout, as JSON; whatever the libraries print goes to stderr.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import msgspec

from ortprobe.capture.hook_log import HookLog, one_line
from ortprobe.capture.profiler.profiler_window import ProfilerWindows

_CONVOLUTION = (
    b'\x08\x08:c\n\x0f\n\x01x\n\x01w\x12\x01y"\x04Conv\x12\x01g*\x13\x08\x01\x08\x01\x08\x01\x08\x01\x10\x01"\x04'
    b"\x00\x00\x80?B\x01wZ\x1b\n\x01x\x12\x16\n\x14\x08\x01\x12\x10\n\x02\x08\x01\n\x02\x08\x01\n\x02\x08\x01\n\x02"
    b"\x08\x01b\x1b\n\x01y\x12\x16\n\x14\x08\x01\x12\x10\n\x02\x08\x01\n\x02\x08\x01\n\x02\x08\x01\n\x02\x08\x01"
    b"B\x04\n\x00\x10\r"
)
"""A model: `y = Conv(x, w)`, all of shape 1×1×1×1, opset 13.

A convolution, because the CUDA provider of onnxruntime-gpu 1.31.1 is not linked to cuDNN: only a node that uses cuDNN
tells whether it is there.
"""

_ROUNDS = 8
"""Of the traced GPU work; more than one, because Kineto can lose the first records of a window."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """NVIDIA GPUs as the driver shows them to a program started here."""

    names: tuple[str, ...] = ()
    installed: int = 0
    """As NVML counts them, also those that CUDA does not show."""
    driver: str = ""
    cuda: str = ""
    """The newest CUDA that the driver supports, `13.0` for example."""
    error: str = ""
    """Why CUDA shows none."""


@dataclass(frozen=True, slots=True)
class Onnxruntime:
    """onnxruntime as it says of itself."""

    version: str
    cuda: str
    """The CUDA version it was built for; "" for a CPU build. `onnxruntime.cuda_version`, in 1.20 to 1.32."""
    build: str
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Torch:
    """torch as it says of itself, and the GPUs on which it could start."""

    version: str
    cuda: str
    gpus: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Whether a session had the provider that was asked for, also after a run."""

    loaded: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """What came back from torch's profiler, attached as a capture attaches it."""

    operators: int = 0
    kernels: int = 0
    waits: int = 0
    """`Stream Wait Event` rows, as `cudaStreamWaitEvent` leaves them."""
    waits_resolved: int = 0
    """Those that say which event they wait for."""
    lost: tuple[str, ...] = ()
    """What the capture's code wrote down as lost, with the reason."""


def find_gpus() -> Gpus:
    """Ask the driver without making a context (`cuInit`, `cuDeviceGetName`: cuda.h)."""
    installed, driver = _ask_nvml()
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return Gpus(installed=installed, driver=driver, error="the NVIDIA driver's libcuda can't be loaded")
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    supported = f"{version.value // 1000}.{version.value % 1000 // 10}"
    status = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        text = ctypes.c_char_p()
        cuda.cuGetErrorString(status, ctypes.byref(text))
        why = f"CUDA error {status}, {(text.value or b'unknown').decode()}" if status else "CUDA shows none"
        return Gpus(installed=installed, driver=driver, cuda=supported, error=why)
    names = []
    for device in range(count.value):
        name = ctypes.create_string_buffer(256)
        cuda.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode(errors="replace"))
    return Gpus(tuple(names), max(installed, len(names)), driver, supported)


def _ask_nvml() -> tuple[int, str]:
    """How many GPUs are installed, and the driver's version (nvml.h); 0 and "" without a driver."""
    try:
        nvml = ctypes.CDLL("nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1")
    except OSError:
        return 0, ""
    count, version = ctypes.c_uint(), ctypes.create_string_buffer(80)
    if nvml.nvmlInit_v2():
        return 0, ""
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    nvml.nvmlSystemGetDriverVersion(version, len(version))
    return count.value, version.value.decode()


def describe_onnxruntime() -> Onnxruntime:
    """Import it as a program would."""
    import onnxruntime

    cuda = getattr(onnxruntime, "cuda_version", "") or ""
    providers = tuple(onnxruntime.get_available_providers())
    return Onnxruntime(onnxruntime.__version__, cuda, str(onnxruntime.get_build_info()), providers)


def describe_torch() -> Torch:
    """Import it and start CUDA when it was built with CUDA."""
    import torch

    version, cuda = str(torch.__version__), torch.version.cuda or ""
    if not cuda:
        return Torch(version, "", error="it was built without CUDA")
    try:
        torch.cuda.init()
        names = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    except Exception as error:
        return Torch(version, cuda, error=one_line(error))
    return Torch(version, cuda, names)


def load_provider(provider: str, *first: str) -> Loaded:
    """Make a session on the provider, run it once, and ask what the session has left; `torch` first or not."""
    if first:
        import torch  # noqa: F401 - its CUDA libraries stay in the process
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(_CONVOLUTION, providers=[provider])
    if provider in session.get_providers():
        session.run(None, {"x": np.ones((1, 1, 1, 1), np.float32)})
    return Loaded(provider in session.get_providers())


def trace_torch() -> Trace:
    """Attach torch's profiler through the capture's own code, to two streams of which one waits for the other."""
    import torch

    losses = _Losses()
    has_gpu = torch.cuda.is_available()
    _work(torch, has_gpu)
    with tempfile.TemporaryDirectory(prefix="ortprobe-") as folder:
        windows = ProfilerWindows(losses, Path(folder), torch)
        windows.open()
        for _ in range(_ROUNDS):
            _work(torch, has_gpu)
        windows.close()
        files = list(Path(folder).glob("torch-*.json"))
        trace = count_rows(files[0].read_bytes()) if files else Trace()
    return replace(trace, lost=tuple(losses.reasons))


def count_rows(trace: bytes) -> Trace:
    """What is in a trace of torch's profiler, as JSON."""
    rows = msgspec.json.decode(trace)["traceEvents"]
    waits = [row["args"] for row in rows if row.get("cat") == "cuda_sync" and row["name"] == "Stream Wait Event"]
    return Trace(
        operators=sum(row.get("cat") == "cpu_op" for row in rows),
        kernels=sum(row.get("cat") == "kernel" for row in rows),
        waits=len(waits),
        waits_resolved=sum(wait.get("wait_on_cuda_event_record_corr_id", -1) >= 0 for wait in waits),
    )


def _work(torch: ModuleType, has_gpu: bool) -> None:
    if not has_gpu:
        torch.ones(1).add(1)
        return
    stream = torch.cuda.Stream()
    torch.ones(1, device="cuda")
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.ones(1, device="cuda")
    torch.cuda.synchronize()


class _Losses(HookLog):
    """A hook log that keeps nothing but what was lost."""

    def __init__(self) -> None:
        super().__init__(None)
        self.reasons: list[str] = []

    def lost(self, what: str, why: object, session: int = -1) -> None:  # noqa: ARG002 - HookLog's signature
        self.reasons.append(f"{what}: {one_line(why)}")


Answer = Gpus | Onnxruntime | Torch | Loaded | Trace
PROBES: dict[str, Callable[..., Answer]] = {
    "gpus": find_gpus,
    "onnxruntime": describe_onnxruntime,
    "torch": describe_torch,
    "provider": load_provider,
    "trace": trace_torch,
}


def main() -> None:
    """Answer on stdout; what libraries write there, Python or not, goes to stderr."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        answer.write(b"\n" + msgspec.json.encode(PROBES[sys.argv[1]](*sys.argv[2:])))


if __name__ == "__main__":
    main()
