"""The versions and the hardware a capture was made with."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from types import ModuleType

from ortprobe.bundle import Device, Environment


def describe_environment(torch: ModuleType | None, onnxruntime: ModuleType | None) -> Environment:
    """What is there to run with. Nothing here makes a CUDA context: a program that forks must not find one.

    `devices` stays empty until torch has made a context of its own accord; see `describe_devices`.
    """
    import numpy as np

    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu_count=os.cpu_count() or 0,
        onnxruntime=getattr(onnxruntime, "__version__", ""),
        onnxruntime_build=_onnxruntime_build(onnxruntime),
        torch=str(getattr(torch, "__version__", "")),
        torch_cuda=(torch.version.cuda or "") if torch else "",
        cuda_driver=_cuda_driver(torch),
        numpy=np.__version__,
        devices=describe_devices(torch),
    )


def _onnxruntime_build(onnxruntime: ModuleType | None) -> str:
    with suppress(Exception):
        return str(onnxruntime.get_build_info()) if onnxruntime else ""
    return ""


def _cuda_driver(torch: ModuleType | None) -> str:
    """The CUDA version the driver supports, `13.0` for example, as `cuDriverGetVersion` gives it (13000)."""
    with suppress(Exception):
        version = torch._C._cuda_getDriverVersion() if torch and torch.version.cuda else 0
        return f"{version // 1000}.{version % 1000 // 10}" if version else ""
    return ""


def describe_devices(torch: ModuleType | None) -> tuple[Device, ...]:
    """The GPUs as torch sees them; none before torch has a CUDA context."""
    devices: list[Device] = []
    if torch is None or not torch.cuda.is_initialized():
        return ()
    with suppress(Exception):
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices.append(
                Device(
                    index=index,
                    name=properties.name,
                    memory_bytes=properties.total_memory,
                    compute_capability=(properties.major, properties.minor),
                )
            )
    return tuple(devices)
