"""The versions and the hardware a capture was made with."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from ortprobe.bundle import Device, Environment
from ortprobe.capture.processors import physical_cores, usable_cpus

CUPTI_TOOLS = {
    "NSYS_PROFILING_SESSION_ID": "Nsight Systems",
    "NV_COMPUTE_PROFILER_PERFWORKS_DIR": "Nsight Compute",
    "NV_SANITIZER_INJECTION_PORT_RANGE_BEGIN": "compute-sanitizer",
    "CUDA_INJECTION64_PATH": "the library in CUDA_INJECTION64_PATH",
}
"""How a process sees that a tool started it which subscribes to CUPTI. The first was seen with nsys 2025.3; no tool
documents the first three, GROMACS and FlashMLA go by them."""


def profiling_tool() -> str:
    """The tool that this process runs under and that leaves no room for torch's profiler; "" without one."""
    return next((tool for variable, tool in CUPTI_TOOLS.items() if os.environ.get(variable)), "")


def describe_environment() -> Environment:
    """What is there to run with, by its packages' metadata as long as the program has not imported them.

    Nothing here imports torch or onnxruntime, nor makes a CUDA context: a program that forks must not find one.
    `devices` stays empty until torch has made a context of its own accord; see `describe_devices`.
    """
    torch, onnxruntime = sys.modules.get("torch"), sys.modules.get("onnxruntime")
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu_count=os.cpu_count() or 0,
        cpu=_cpu_name(),
        onnxruntime=_version(onnxruntime, "onnxruntime-gpu", "onnxruntime"),
        onnxruntime_build=_onnxruntime_build(onnxruntime),
        torch=_version(torch, "torch"),
        torch_cuda=_cuda_of(torch),
        cuda_driver=_cuda_driver(torch),
        numpy=_version(sys.modules.get("numpy"), "numpy"),
        devices=describe_devices(torch),
        physical_cores=physical_cores(),
        usable_cpus=usable_cpus(),
    )


def describe_devices(torch: ModuleType | None) -> tuple[Device, ...]:
    """The GPUs as torch sees them; none before torch has a CUDA context."""
    devices: list[Device] = []
    with suppress(Exception):
        if torch is None or not torch.cuda.is_initialized():
            return ()
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices.append(
                Device(
                    index=index,
                    name=properties.name,
                    memory_bytes=properties.total_memory,
                    compute_capability=(properties.major, properties.minor),
                    uuid=str(getattr(properties, "uuid", "")),
                )
            )
    return tuple(devices)


def _cpu_name() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(module: ModuleType | None, *distributions: str) -> str:
    stated = getattr(module, "__version__", None)
    if stated is not None:
        return str(stated)
    for name in distributions:
        with suppress(PackageNotFoundError):
            return version(name)
    return ""


def _onnxruntime_build(onnxruntime: ModuleType | None) -> str:
    with suppress(Exception):
        return str(onnxruntime.get_build_info()) if onnxruntime else ""
    return ""


def _cuda_of(torch: ModuleType | None) -> str:
    with suppress(Exception):
        return str(torch.version.cuda or "") if torch else ""
    return ""


def _cuda_driver(torch: ModuleType | None) -> str:
    """The CUDA version the driver supports, `13.0` for example, as `cuDriverGetVersion` gives it (13000)."""
    with suppress(Exception):
        number = torch._C._cuda_getDriverVersion() if torch and torch.version.cuda else 0
        return f"{number // 1000}.{number % 1000 // 10}" if number else ""
    return ""
