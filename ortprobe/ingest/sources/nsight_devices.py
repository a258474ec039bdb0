"""Devices, contexts and streams in an export of Nsight Systems.

A process numbers its devices itself (`CUDA_VISIBLE_DEVICES`); `TARGET_INFO_CUDA_DEVICE` says which GPU each of them is,
in 2025. Streams are listed with their context, whose device stands in `TARGET_INFO_CUDA_CONTEXT_INFO`, until 2022 in
`TARGET_INFO_CUDA_NULL_STREAM`.
"""

from __future__ import annotations

from ortprobe.ingest.sources.nsight_rows import PROCESS_MASK
from ortprobe.ingest.sources.sqlite_tables import SqliteTables
from ortprobe.timeline import NONE

_CONTEXTS = {"TARGET_INFO_CUDA_CONTEXT_INFO": "nullStreamId", "TARGET_INFO_CUDA_NULL_STREAM": "streamId"}
"""The tables of contexts, with the column that has the null stream of each."""
_NON_BLOCKING = 2
"""`ENUM_CUPTI_STREAM_TYPE`."""


def gpus_of(tables: SqliteTables, process: int) -> dict[int, int]:
    """The GPU that each device of a process is, by its number in `TARGET_INFO_GPU`; empty where that is not stated."""
    rows = tables.rows("TARGET_INFO_CUDA_DEVICE", "pid", "cudaId", "gpuId")
    return {device: gpu for pid, device, gpu in rows if pid & PROCESS_MASK == process and NONE not in (device, gpu)}


def device_names(tables: SqliteTables, process: int) -> tuple[str, ...]:
    """The names of a process's devices in their order; of all GPUs where it is not stated which are the process's."""
    numbers = [number for (number,) in tables.rows("TARGET_INFO_GPU", "id")]
    names = dict(zip(numbers, tables.values("TARGET_INFO_GPU", "name"), strict=False))
    gpus = gpus_of(tables, process)
    own = [names[gpus[device]] for device in sorted(gpus) if gpus[device] in names]
    return tuple(own or [names[gpu] for gpu in sorted(names)])


def blocking_streams(tables: SqliteTables, process: int) -> dict[tuple[int, int], bool]:
    """(device, stream) → whether it orders itself with the legacy default stream, which is one of them itself. Streams
    of contexts whose device is not stated are left out."""
    device_of: dict[int, int] = {}
    found: dict[tuple[int, int], bool] = {}
    for table, null_stream in _CONTEXTS.items():
        for pid, context, device, stream in tables.rows(table, "processId", "contextId", "deviceId", null_stream):
            if pid & PROCESS_MASK == process and device != NONE:
                device_of[context] = device
                found[device, stream] = True
    for pid, context, stream, flag in tables.rows(
        "TARGET_INFO_CUDA_STREAM", "processId", "contextId", "streamId", "flag"
    ):
        if pid & PROCESS_MASK == process and context in device_of and flag > 0:
            found[device_of[context], stream] = flag != _NON_BLOCKING
    return found
