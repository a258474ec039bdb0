"""Nsight Systems' export to SQLite (`nsys export --type sqlite`), of 2022 to 2025.

Times are ns since the session began, which `TARGET_INFO_SESSION_START_TIME` gives in Unix time. Threads and processes
are packed into `globalTid` (NVIDIA's SQLite schema reference: bits 0 to 23 the thread, 24 to 47 the process).

Seen in 2025.3 on an H100, and not in the reference: `syncType` is 2 for waits of a stream for an event and for waits of
the host for a stream alike, which `eventId` tells apart; waits for the whole device leave no synchronisation record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.ingest.sources.files import LIMIT_NS
from ortprobe.ingest.sources.nsight_file import exported
from ortprobe.ingest.sources.nsight_ranges import add_ranges
from ortprobe.ingest.sources.nsight_rows import PROCESS_MASK, NsightRows
from ortprobe.ingest.sources.nsight_waits import add_waits
from ortprobe.ingest.sources.sqlite_tables import SqliteTables, open_sqlite
from ortprobe.timeline import Int64s, Kind, Problem, ProblemKind, SourceKind

_VERSION = re.compile(r"_v\d{4,5}$")
"""Behind the name of each call of the runtime stands since which version of CUDA it has its form."""
_MEMORY = {0: "Pageable", 1: "Pinned", 2: "Device", 3: "Array", 4: "Managed", 5: "Device", 6: "Managed"}
"""`ENUM_CUDA_MEM_KIND`, as Kineto names them."""
_COPIES = dict(enumerate(("HtoD", "DtoH", "HtoA", "AtoH", "AtoA", "AtoD", "DtoA", "DtoD", "HtoH", "PtoP"), start=1))
"""`ENUM_CUDA_MEMCPY_OPER`, as Kineto names them."""
_NON_BLOCKING = 2
_LOST = re.compile(r"dropped|lost|not all|incomplete|overflow", re.IGNORECASE)
_CALLS = "CUPTI_ACTIVITY_KIND_RUNTIME"
_KERNELS = "CUPTI_ACTIVITY_KIND_KERNEL"


def read_nsight(path: Path) -> list[DeviceTrace]:
    """The traces in a recording, one for each process that called CUDA, in the order of their first call.

    Raises:
        UnreadableInput: no SQLite file, none of Nsight Systems, damaged, or without a call of CUDA.
    """
    with exported(path) as export, open_sqlite(export) as tables:
        if "StringIds" not in tables:
            raise UnreadableInput(f"{path}: is no export of Nsight Systems (it has no table StringIds)")
        if _CALLS not in tables:
            raise UnreadableInput(f"{path}: holds no call of CUDA; profile with -t cuda,nvtx")
        rows = NsightRows(tables.texts("StringIds", "id", "value"), _epoch_ns(tables))
        calls = tables.columns(_CALLS, "start", "end", "globalTid", "correlationId", "nameId")
        rows.add(Kind.CUDA_CALL, calls, name=rows.names_by_id(calls["nameId"], _call_name), place=calls["globalTid"])
        _add_kernels(rows, tables)
        _add_graphs(rows, tables)
        _add_copies(rows, tables)
        _add_fills(rows, tables)
        _add_overhead(rows, tables)
        add_ranges(rows, tables)
        add_waits(rows, tables, calls)
        whole = _Whole(path=str(path), tables=tables, problems=tuple(_problems(str(path), tables, rows)))
        return [whole.trace(rows, process) for process in rows.processes()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """What holds for all processes of an export."""

    path: str
    tables: SqliteTables
    problems: tuple[Problem, ...]

    def trace(self, rows: NsightRows, process: int) -> DeviceTrace:
        columns = rows.of_process(process)
        return DeviceTrace(
            kind=SourceKind.NSIGHT,
            path=self.path,
            devices=tuple(self.tables.values("TARGET_INFO_GPU", "name")),
            versions=_versions(self.tables),
            problems=self.problems,
            began_ns=rows.epoch_ns or None,
            blocking=_blocking(self.tables, process),
            **columns,
        )


def _epoch_ns(tables: SqliteTables) -> int:
    started = tables.columns("TARGET_INFO_SESSION_START_TIME", "utcEpochNs")["utcEpochNs"]
    stated = int(started[0]) if len(started) else 0
    return stated if 0 < stated < LIMIT_NS else 0


def _problems(path: str, tables: SqliteTables, rows: NsightRows) -> Iterator[Problem]:
    if not rows.epoch_ns:
        detail = f"{path}: does not say when it was recorded (no TARGET_INFO_SESSION_START_TIME)"
        yield Problem(kind=ProblemKind.CLOCK_DOUBT, detail=detail)
    if _KERNELS not in tables:
        yield Problem(kind=ProblemKind.NOT_CAPTURED, detail=f"{path}: holds no kernel")
    if rows.impossible:
        detail = f"{path}: {rows.impossible:,} events have times that no capture can have"
        yield Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=rows.impossible)
    for text in tables.values("DIAGNOSTIC_EVENT", "text"):
        if _LOST.search(text):
            yield Problem(kind=ProblemKind.NOT_CAPTURED, detail=f"{path}: Nsight Systems said: {text.strip()}")


def _call_name(name: str) -> str:
    return _VERSION.sub("", name)


def _add_kernels(rows: NsightRows, tables: SqliteTables) -> None:
    name = "demangledName" if tables.has(_KERNELS, "demangledName") else "shortName"
    found = tables.columns(
        _KERNELS, "start", "end", "deviceId", "streamId", "correlationId", "globalPid", "gridX", "gridY", "gridZ",
        "graphNodeId", name,
    )  # fmt: skip
    rows.add_work(
        Kind.KERNEL, found, name=rows.names_by_id(found[name]), size_bytes=np.zeros(len(found["start"]), np.int64),
        blocks=np.maximum(found["gridX"], 0) * np.maximum(found["gridY"], 0) * np.maximum(found["gridZ"], 0),
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
        "CUPTI_ACTIVITY_KIND_MEMCPY", "start", "end", "deviceId", "streamId", "correlationId", "globalPid", "bytes",
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
        "CUPTI_ACTIVITY_KIND_MEMSET", "start", "end", "deviceId", "streamId", "correlationId", "globalPid", "bytes",
        "memKind", "graphNodeId",
    )  # fmt: skip
    names = [rows.name(f"Memset ({_MEMORY.get(kind, 'Unknown')})") for kind in found["memKind"].tolist()]
    none = np.zeros(len(names), np.int64)
    rows.add_work(Kind.MEMSET, found, name=np.array(names, np.int32), size_bytes=found["bytes"], blocks=none)


def _add_overhead(rows: NsightRows, tables: SqliteTables) -> None:
    found = tables.columns("PROFILER_OVERHEAD", "start", "end", "globalTid", "nameId")
    rows.add(Kind.OVERHEAD, found, name=rows.names_by_id(found["nameId"]), place=found["globalTid"])


def _blocking(tables: SqliteTables, process: int) -> dict[tuple[int, int], bool]:
    """Whether each stream orders itself with the legacy default stream (`ENUM_CUPTI_STREAM_TYPE`)."""
    contexts = tables.columns("TARGET_INFO_CUDA_CONTEXT_INFO", "contextId", "deviceId", "processId")
    device_of = {row[0]: row[1] for row in _rows_of(contexts, process, "contextId", "deviceId")}
    streams = tables.columns("TARGET_INFO_CUDA_STREAM", "streamId", "contextId", "flag", "processId")
    return {
        (device_of.get(context, 0), stream): flag != _NON_BLOCKING
        for stream, context, flag in _rows_of(streams, process, "streamId", "contextId", "flag")
        if flag > 0
    }


def _rows_of(columns: Mapping[str, Int64s], process: int, *names: str) -> Iterator[tuple[int, ...]]:
    own = np.flatnonzero((columns["processId"] & PROCESS_MASK) == process)
    yield from zip(*(columns[name][own].tolist() for name in names), strict=True)


def _versions(tables: SqliteTables) -> dict[str, str]:
    names, values = tables.values("META_DATA_EXPORT", "name"), tables.values("META_DATA_EXPORT", "value")
    stated = dict(zip(names, values, strict=True))
    version = stated.get("EXPORT_PRODUCT_VERSION", "")
    return {"Nsight Systems": version} if version else {}
