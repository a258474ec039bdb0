"""Processes that call two GPUs by one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ortprobe.timeline import Problem, ProblemKind


def find_mixed_devices(processes: Sequence[tuple[int, Mapping[int, str]]]) -> list[Problem]:
    """Devices of several processes that have one number and are not one GPU. Each process comes with the UUIDs of the
    devices that it worked on, as far as known."""
    users: dict[int, dict[str, int]] = {}
    for process, gpus in processes:
        for device, uuid in gpus.items():
            users.setdefault(device, {}).setdefault(uuid, process)
    problems = []
    for device, of_gpus in sorted(users.items()):
        if len(of_gpus) > 1:
            first, second, *_ = of_gpus.values()
            detail = (
                f"GPU {device} of process {first} is another GPU than that of process {second}, and figures of GPU "
            )
            detail += f"{device} are of both; report each process by itself"
            problems.append(Problem(kind=ProblemKind.DEVICES_MIXED, detail=detail, count=len(of_gpus)))
    return problems
