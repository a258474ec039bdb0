"""Devices, contexts and streams in an export of Nsight Systems.

A process numbers its devices itself (`CUDA_VISIBLE_DEVICES`); `TARGET_INFO_CUDA_DEVICE` says which GPU each of them is,
in 2025. Streams are listed with their context, whose device stands in `TARGET_INFO_CUDA_CONTEXT_INFO`, in 2022 in
`TARGET_INFO_CUDA_NULL_STREAM`. Contexts are numbered by each process, and so are streams.
"""

from __future__ import annotations

from collections.abc import Iterator

from ortprobe.ingest.sources.nsight.rows import PROCESS_MASK
from ortprobe.ingest.sources.nsight.sqlite_tables import SqliteTables
from ortprobe.timeline import NONE

_CONTEXTS = {"TARGET_INFO_CUDA_CONTEXT_INFO": "nullStreamId", "TARGET_INFO_CUDA_NULL_STREAM": "streamId"}
"""The tables of contexts, with the column that has the null stream of each."""
_NON_BLOCKING = 2
"""`ENUM_CUPTI_STREAM_TYPE`."""


def device_names(tables: SqliteTables, process: int) -> tuple[str, ...]:
    """The names of a process's devices in their order; of all GPUs where it is not stated which are the process's."""
    numbers = [number for (number,) in tables.rows("TARGET_INFO_GPU", "id")]
    names = dict(zip(numbers, tables.values("TARGET_INFO_GPU", "name"), strict=False))
    gpus = _gpus_of(tables, process)
    own = [names[gpus[device]] for device in sorted(gpus) if gpus[device] in names]
    return tuple(own or [names[gpu] for gpu in sorted(names)])


def uuids_of_devices(tables: SqliteTables, process: int) -> dict[int, str]:
    """The UUID of the GPU that each device of a process is, as far as stated."""
    numbers = [number for (number,) in tables.rows("TARGET_INFO_GPU", "id")]
    uuids = dict(zip(numbers, tables.values("TARGET_INFO_GPU", "uuid"), strict=False))
    return {device: uuids[gpu] for device, gpu in _gpus_of(tables, process).items() if uuids.get(gpu)}


def blocking_streams(tables: SqliteTables, process: int) -> dict[tuple[int, int], bool]:
    """(device, stream) → whether it orders itself with the legacy default stream, which is one of them itself. Streams
    of contexts whose device is not stated are left out."""
    found = {(device, stream): True for pid, _, device, stream in _contexts(tables) if pid == process}
    device_of = devices_of_contexts(tables)
    streams = tables.rows("TARGET_INFO_CUDA_STREAM", "processId", "contextId", "streamId", "flag")
    for pid, context, stream, flag in streams:
        device = device_of.get((process, context))
        if pid & PROCESS_MASK == process and device is not None and flag > 0:
            found[device, stream] = flag != _NON_BLOCKING
    return found


def devices_of_contexts(tables: SqliteTables) -> dict[tuple[int, int], int]:
    """(process, context) → device, as far as stated."""
    return {(process, context): device for process, context, device, _ in _contexts(tables)}


def _contexts(tables: SqliteTables) -> Iterator[tuple[int, int, int, int]]:
    """Process, context, device and null stream of each context."""
    for table, null_stream in _CONTEXTS.items():
        for process, context, device, stream in tables.rows(table, "processId", "contextId", "deviceId", null_stream):
            if device != NONE:
                yield process & PROCESS_MASK, context, device, stream


def _gpus_of(tables: SqliteTables, process: int) -> dict[int, int]:
    """The GPU that each device of a process is, by its number in `TARGET_INFO_GPU`; empty where that is not stated."""
    rows = tables.rows("TARGET_INFO_CUDA_DEVICE", "pid", "cudaId", "gpuId")
    return {device: gpu for pid, device, gpu in rows if pid & PROCESS_MASK == process and NONE not in (device, gpu)}
