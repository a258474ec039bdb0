"""How many processors the machine has, and how many of them this process gets."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_SYSTEM = Path("/sys")


def physical_cores(system: Path = _SYSTEM) -> int:
    """Cores of the machine, each once however many threads it runs: as many threads as a pool of onnxruntime gets by
    default (`GetNumPhysicalCpuCores` in `env.cc`), whatever the process is confined to. 0 when nothing says."""
    siblings = system.glob("devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list")
    cores = set()
    with suppress(OSError):
        cores = {path.read_text().strip() for path in siblings}
    return len(cores)


def usable_cpus(system: Path = _SYSTEM) -> int:
    """Logical processors that this process can keep busy: by its affinity, and by its control group's quota, which
    containers are limited by. 0 when nothing says."""
    with suppress(AttributeError, OSError):
        allowed = len(os.sched_getaffinity(0))
        return max(1, min(allowed, _quota(system) or allowed))
    return 0


def _quota(system: Path) -> int | None:
    """Processor time of the control group in whole processors, rounded up; None without a limit.

    As a container sees it: its own group is mounted as the root. Of version 2 `cpu.max`, of version 1 two files.
    """
    for folder, files in ((".", ("cpu.max",)), ("cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us"))):
        with suppress(OSError, ValueError):
            words = [word for file in files for word in (system / "fs/cgroup" / folder / file).read_text().split()]
            quota_us, period_us = (int(word) for word in words)
            return -(-quota_us // period_us) if quota_us > 0 and period_us > 0 else None
    return None
