"""Nsight Systems' export to SQLite (`nsys export --type sqlite`), of 2021 to 2025.

Times are ns since the session began, which `TARGET_INFO_SESSION_START_TIME` gives in Unix time: in recordings of 2022.4
and 2023.4, ranges lie between what the program's own clock said before and after them, within 0.2 ms. Threads and
processes are packed into `globalTid` (NVIDIA's SQLite schema reference: bits 0 to 23 the thread, 24 to 47 the process).

Seen in 2025.3 on an H100, and not in the reference: `syncType` is 2 for waits of a stream for an event and for waits of
the host for a stream alike, which `eventId` tells apart; waits for the whole device leave no synchronisation record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.ingest.sources.files import LIMIT_NS
from ortprobe.ingest.sources.nsight.devices import blocking_streams, device_names, uuids_of_devices
from ortprobe.ingest.sources.nsight.file import exported
from ortprobe.ingest.sources.nsight.kernel_names import as_torch_spells_it
from ortprobe.ingest.sources.nsight.ranges import add_ranges
from ortprobe.ingest.sources.nsight.rows import NsightRows
from ortprobe.ingest.sources.nsight.schema import (
    CALLS,
    COPIES,
    EVENTS,
    FILLS,
    KERNELS,
    NO_CALL,
    SYNCS,
    check_schema,
    stated_values,
)
from ortprobe.ingest.sources.nsight.sqlite_tables import SqliteTables, open_sqlite
from ortprobe.ingest.sources.nsight.waits import add_waits
from ortprobe.names import encodable
from ortprobe.timeline import NONE, Int64s, Kind, Problem, ProblemKind

_VERSION = re.compile(r"_v\d{4,5}$")
"""Behind the name of each call of the runtime stands since which version of CUDA it has its form."""
_MEMORY = {0: "Pageable", 1: "Pinned", 2: "Device", 3: "Array", 4: "Managed", 5: "Device", 6: "Managed"}
"""`ENUM_CUDA_MEM_KIND`, as Kineto names them."""
_COPIES = dict(enumerate(("HtoD", "DtoH", "HtoA", "AtoH", "AtoA", "AtoD", "DtoA", "DtoD", "HtoH", "PtoP"), start=1))
"""`ENUM_CUDA_MEMCPY_OPER`, as Kineto names them."""
_LARGEST_GRID = {"gridX": (1 << 31) - 1, "gridY": (1 << 16) - 1, "gridZ": (1 << 16) - 1}
"""What CUDA allows (C++ Programming Guide, "Compute Capabilities")."""
_HANDED_OVER = "Number of CUPTI events produced"
_MIGHT_LACK = "events might have been collected."
_LOST = re.compile(r"dropped|lost|not all|incomplete|overflow", re.IGNORECASE)


def read_nsight(path: Path) -> list[DeviceTrace]:
    """The traces in a recording, one for each process that called CUDA, in the order of their first call.

    Raises:
        UnreadableInput: no SQLite file, none of Nsight Systems or of an unknown version, damaged, or without a call of
            CUDA.
    """
    with exported(path) as export, open_sqlite(export) as tables:
        check_schema(str(path), tables)
        rows = NsightRows(tables.texts("StringIds", "id", "value"), _epoch_ns(tables))
        calls = tables.columns(CALLS, "start", "end", "globalTid", "correlationId", "nameId")
        _add_calls(rows, calls)
        _add_kernels(rows, tables)
        _add_graphs(rows, tables)
        _add_copies(rows, tables)
        _add_fills(rows, tables)
        _add_overhead(rows, tables)
        add_ranges(rows, tables)
        add_waits(rows, tables, calls)
        name = encodable(str(path))
        processes = rows.processes()
        if not processes:
            raise UnreadableInput(f"{name}: {NO_CALL}")
        versions, problems = _versions(tables), tuple(_problems(name, tables, rows))
        return [
            replace(
                rows.of_process(process, name),
                devices=device_names(tables, process),
                versions=versions,
                problems=problems,
                blocking=blocking_streams(tables, process),
                gpus=uuids_of_devices(tables, process),
            )
            for process in processes
        ]


def _epoch_ns(tables: SqliteTables) -> int:
    started = tables.columns("TARGET_INFO_SESSION_START_TIME", "utcEpochNs")["utcEpochNs"]
    stated = int(started[0]) if len(started) else 0
    return stated if 0 < stated < LIMIT_NS else 0


def _problems(path: str, tables: SqliteTables, rows: NsightRows) -> Iterator[Problem]:
    if not rows.epoch_ns:
        detail = f"{path}: does not say when it was recorded (no TARGET_INFO_SESSION_START_TIME)"
        yield Problem(kind=ProblemKind.CLOCK_DOUBT, detail=detail)
    if KERNELS not in tables:
        by = " ".join(("Nsight Systems", stated_values(tables).get("EXPORT_PRODUCT_VERSION", ""))).strip()
        detail = (
            f"{path}: holds calls of CUDA and no kernel: none was launched, or {by} is older than the GPU's driver and"
        )
        detail += " stopped at a call that it does not know"
        yield Problem(kind=ProblemKind.NOT_CAPTURED, detail=detail)
    if SYNCS in tables and EVENTS not in tables:
        detail = f"{path}: holds no record of an event, so waits name nothing (record with ortprobe nsys)"
        yield Problem(kind=ProblemKind.NOT_CAPTURED, detail=detail)
    if unowned := rows.without_process():
        detail = f"{path}: does not say which of the processes that called CUDA {unowned:,} events are of"
        yield Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=unowned)
    if rows.nameless:
        detail = f"{path}: {rows.nameless:,} calls of CUDA have no name, and any of them may have waited"
        yield Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=rows.nameless)
    if rows.unreadable:
        detail = f"{path}: {rows.unreadable:,} events are damaged: they lack their time, device, stream or kind, or "
        detail += "have times that no capture can have"
        yield Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=rows.unreadable)
    for text in _losses(tables):
        yield Problem(kind=ProblemKind.NOT_CAPTURED, detail=f"{path}: Nsight Systems said: {text}")


def _losses(tables: SqliteTables) -> Iterator[str]:
    """What nsys said of events that it lost. Of a recording that a range begins and ends, 2025.3 always says that not
    all "might have been collected": that is left out for a process that handed over its last buffers."""
    texts = [text.strip() for text in tables.values("DIAGNOSTIC_EVENT", "text")]
    processes = tables.columns("DIAGNOSTIC_EVENT", "globalPid")["globalPid"].tolist() or [NONE] * len(texts)
    said = list(zip(processes, texts, strict=False))  # without the column there are no texts
    is_whole = {process for process, text in said if text.startswith(_HANDED_OVER) and process != NONE}
    yield from (
        text
        for process, text in said
        if _LOST.search(text) and not (text.endswith(_MIGHT_LACK) and process in is_whole)
    )


def _add_calls(rows: NsightRows, calls: Mapping[str, Int64s]) -> None:
    named = [number for number, text in rows.texts.items() if text.isidentifier()]
    rows.nameless += int(np.isin(calls["nameId"], named, invert=True).sum())
    name = rows.names_by_id(calls["nameId"], lambda name: _VERSION.sub("", name))
    rows.add(Kind.CUDA_CALL, calls, name=name, place=calls["globalTid"])


def _add_kernels(rows: NsightRows, tables: SqliteTables) -> None:
    name = "demangledName" if tables.has(KERNELS, "demangledName") else "shortName"
    found = tables.columns(
        KERNELS, "start", "end", "deviceId", "streamId", "correlationId", "globalPid", "gridX", "gridY", "gridZ",
        "graphNodeId", name,
    )  # fmt: skip
    rows.add_work(
        Kind.KERNEL, found, name=rows.names_by_id(found[name], as_torch_spells_it),
        size_bytes=np.zeros(len(found["start"]), np.int64),
        blocks=np.prod([np.clip(found[side], 0, most) for side, most in _LARGEST_GRID.items()], axis=0),
    )  # fmt: skip


def _add_graphs(rows: NsightRows, tables: SqliteTables) -> None:
    """Launches of CUDA graphs as a whole (`--cuda-graph-trace=graph`)."""
    found = tables.columns(
        "CUPTI_ACTIVITY_KIND_GRAPH_TRACE", "start", "end", "deviceId", "streamId", "correlationId", "globalPid",
        "graphId",
    )  # fmt: skip
    names = [rows.name(f"CUDA graph {number}, as a whole") for number in found["graphId"].tolist()]
    none = np.zeros(len(names), np.int64)
    rows.add_work(Kind.KERNEL, found, name=np.array(names, np.int32), size_bytes=none, blocks=none)


def _add_copies(rows: NsightRows, tables: SqliteTables) -> None:
    found = tables.columns(
        COPIES, "start", "end", "deviceId", "streamId", "correlationId", "globalPid", "bytes",
        "copyKind", "srcKind", "dstKind", "graphNodeId",
    )  # fmt: skip
    kinds, which = np.unique(
        np.column_stack((found["copyKind"], found["srcKind"], found["dstKind"])), axis=0, return_inverse=True
    )
    names = np.array([rows.name(_copy_name(*kind)) for kind in kinds.tolist()], np.int32)
    rows.add_work(
        Kind.MEMCPY, found, name=names[which.reshape(-1)] if len(names) else np.zeros(0, np.int32),
        size_bytes=found["bytes"], blocks=np.zeros(len(found["start"]), np.int64),
    )  # fmt: skip


def _copy_name(copy: int, source: int, target: int) -> str:
    between = f"{_MEMORY.get(source, 'Unknown')} -> {_MEMORY.get(target, 'Unknown')}"
    return f"Memcpy {_COPIES.get(copy, 'Unknown')} ({between})"


def _add_fills(rows: NsightRows, tables: SqliteTables) -> None:
    found = tables.columns(
        FILLS, "start", "end", "deviceId", "streamId", "correlationId", "globalPid", "bytes",
        "memKind", "graphNodeId",
    )  # fmt: skip
    names = [rows.name(f"Memset ({_MEMORY.get(kind, 'Unknown')})") for kind in found["memKind"].tolist()]
    none = np.zeros(len(names), np.int64)
    rows.add_work(Kind.MEMSET, found, name=np.array(names, np.int32), size_bytes=found["bytes"], blocks=none)


def _add_overhead(rows: NsightRows, tables: SqliteTables) -> None:
    found = tables.columns("PROFILER_OVERHEAD", "start", "end", "globalTid", "nameId")
    rows.add(Kind.OVERHEAD, found, name=rows.names_by_id(found["nameId"]), place=found["globalTid"])


def _versions(tables: SqliteTables) -> dict[str, str]:
    version = stated_values(tables).get("EXPORT_PRODUCT_VERSION", "")
    return {"Nsight Systems": version} if version else {}
