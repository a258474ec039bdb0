"""Exports of Nsight Systems with known truth: the rows of a torch trace, in the tables that a version of nsys makes.

The tables are those of real exports (`tests/data/nsys-schemas/`); what a version has no column for is not written.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from captures import DATA

from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.timeline import NONE, Kind, WaitKind

BEGAN_NS = 1_000_000_000
"""How long the session had run before the first event."""
MARKER = "ortprobe.run#"
SCHEMAS = DATA / "nsys-schemas"
VERSIONS = sorted(path.stem for path in SCHEMAS.glob("*.sql"))
NEWEST = VERSIONS[-1]
_KINDS = {"Pageable": 0, "Pinned": 1, "Device": 2, "Array": 3, "Managed": 4}
_COPIES = {"HtoD": 1, "DtoH": 2, "DtoD": 8, "HtoH": 9, "PtoP": 10}
_DOCUMENTED = {WaitKind.EVENT_SYNC: 1, WaitKind.STREAM_WAIT_EVENT: 2, WaitKind.STREAM_SYNC: 3, WaitKind.DEVICE_SYNC: 4}
"""`ENUM_CUPTI_SYNC_TYPE`."""
_SEEN_IN_2025 = {WaitKind.EVENT_SYNC: 1, WaitKind.STREAM_WAIT_EVENT: 2, WaitKind.STREAM_SYNC: 2}
_NO_ID = (1 << 32) - 1
_FIRST_CONTEXT = 1


@dataclass
class Export:
    """What is written. `without` names tables, or columns as `TABLE.column`, that are left out beside."""

    version: str = NEWEST
    without: Sequence[str] = ()
    thread_of: Callable[[int], int] = int

    def write(self, path: Path, traces: Sequence[DeviceTrace]) -> Path:
        """All traces in one export."""
        self._texts: dict[str, int] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._epoch_ns = min(int(trace.start_ns.min()) for trace in traces if len(trace)) - BEGAN_NS
        schema = (SCHEMAS / f"{self.version}.sql").read_text()
        self._columns = _columns(schema)
        with closing(sqlite3.connect(path)) as self._file:
            self._file.executescript(schema.replace(" NOT NULL", ""))  # tests put NULL everywhere
            self._rows: dict[str, list[list[object]]] = {table: [] for table in self._columns}
            self._add("TARGET_INFO_SESSION_START_TIME", utcEpochNs=self._epoch_ns)
            for table in ("META_DATA_EXPORT", "EXPORT_META_DATA"):
                self._add(table, name="EXPORT_PRODUCT_VERSION", value=self.version)
                self._add(table, name="EXPORT_SCHEMA_VERSION", value=re.findall(r"schema (\S+)\)", schema)[0])
            for trace in traces:
                self._trace(trace)
            for text, number in self._texts.items():
                self._add("StringIds", id=number, value=text)
            self._flush()
            self._leave_out()
            self._file.commit()
        return path

    def _add(self, table: str, **values: object) -> None:
        """A row of a table that the version has, with what it has columns for; the others are NULL, or 0 where that
        is not allowed."""
        columns = self._columns.get(table, ())
        self._rows.setdefault(table, []).append(
            [values.get(name, 0 if needed else None) for _, name, _, needed, *_ in columns]
        )

    def _flush(self) -> None:
        for table, columns in self._columns.items():
            marks = ", ".join("?" * len(columns))
            self._file.executemany(f"INSERT INTO {table} VALUES ({marks})", self._rows[table])

    def _leave_out(self) -> None:
        for name in self.without:
            table, _, column = name.partition(".")
            if table in self._columns and not column:
                self._file.execute(f"DROP TABLE {table}")
            elif column in [each[1] for each in self._columns.get(table, ())]:
                self._file.execute(f"ALTER TABLE {table} DROP COLUMN {column}")

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts) + 1)

    def _trace(self, trace: DeviceTrace) -> None:
        process = trace.process
        pid = (1 << 48) | (process << 24)
        self._devices(trace, process)
        start, end = (trace.start_ns - self._epoch_ns).tolist(), (trace.end_ns - self._epoch_ns).tolist()
        names = [trace.names[name] for name in trace.name.tolist()]
        threads = [self.thread_of(thread) & 0xFFFFFF for thread in trace.threads[trace.place].tolist()]
        work = {index: row for row, index in enumerate(trace.device_ops["index"].tolist())}
        of_waits = {index: row for row, index in enumerate(trace.waits["index"].tolist())}
        sync_ids = self._records(trace, pid)
        for at, kind in enumerate(trace.kinds.tolist()):
            times: dict[str, object] = {"start": start[at], "end": end[at]}
            on_thread = times | {"globalTid": pid | threads[at]}
            on_stream = times | self._place(trace, at, pid)
            size_bytes = int(trace.device_ops["size_bytes"][work[at]]) if at in work else 0
            if kind == Kind.CUDA_CALL:
                name, correlation = self._text(f"{names[at]}_v3020"), int(trace.correlation[at])
                self._add("CUPTI_ACTIVITY_KIND_RUNTIME", **on_thread, correlationId=correlation, nameId=name)
            elif kind == Kind.KERNEL:
                graph = int(trace.device_ops["graph"][work[at]])
                self._add(
                    "CUPTI_ACTIVITY_KIND_KERNEL", **on_stream, demangledName=self._text(names[at]),
                    gridX=int(trace.device_ops["blocks"][work[at]]), gridY=1, gridZ=1,
                    graphNodeId=None if graph < 0 else (graph << 32) | 1,
                )  # fmt: skip
            elif kind == Kind.MEMCPY:
                self._add("CUPTI_ACTIVITY_KIND_MEMCPY", **on_stream, bytes=size_bytes, **_copy(names[at]))
            elif kind == Kind.MEMSET:
                self._add("CUPTI_ACTIVITY_KIND_MEMSET", **on_stream, bytes=size_bytes, memKind=2)
            elif at in of_waits:
                self._wait(trace, of_waits[at], on_stream, sync_ids)
            elif kind == Kind.ANNOTATION and names[at].startswith(MARKER):
                text, payload = self._text("run_with_iobinding"), int(names[at].removeprefix(MARKER))
                self._add("NVTX_EVENTS", **on_thread, eventType=59, textId=text, domainId=1, int64Value=payload)
            elif kind == Kind.OVERHEAD:
                self._add("PROFILER_OVERHEAD", **on_thread, nameId=self._text(names[at]))
        self._add("NVTX_EVENTS", start=start[0], eventType=75, text="ortprobe", globalTid=pid, domainId=1)

    def _devices(self, trace: DeviceTrace, process: int) -> None:
        """A context for each device, and the streams in it; the process sees all GPUs."""
        for device, name in enumerate(trace.devices):
            context = device + _FIRST_CONTEXT
            self._add("TARGET_INFO_GPU", id=device, name=name, uuid=f"gpu-{device}")
            self._add("TARGET_INFO_CUDA_DEVICE", gpuId=device, cudaId=device, pid=process)
            of_process = {"processId": process, "deviceId": device, "contextId": context}
            self._add("TARGET_INFO_CUDA_CONTEXT_INFO", **of_process, nullStreamId=7)
            self._add("TARGET_INFO_CUDA_NULL_STREAM", **of_process, streamId=7)
        for (device, stream), blocking in trace.blocking.items():
            flag = 1 if blocking else 2
            of_context = {"processId": process, "contextId": device + _FIRST_CONTEXT}
            self._add("TARGET_INFO_CUDA_STREAM", **of_context, streamId=stream, flag=flag)

    def _place(self, trace: DeviceTrace, at: int, pid: int) -> dict[str, object]:
        device, stream = int(trace.device[at]), int(trace.stream[at])
        return {
            "deviceId": device, "contextId": device + _FIRST_CONTEXT, "streamId": stream if stream >= 0 else _NO_ID,
            "correlationId": int(trace.correlation[at]), "globalPid": pid,
        }  # fmt: skip

    def _wait(self, trace: DeviceTrace, row: int, place: dict[str, object], sync_ids: dict[int, int]) -> None:
        """Device 0 stands in every record, and the context says where it was; waits for a device leave none in 2025."""
        kinds = _SEEN_IN_2025 if self.version >= "2025" else _DOCUMENTED
        kind, record = WaitKind(int(trace.waits["kind"][row])), int(trace.waits["record_correlation"][row])
        if kind in kinds:
            event = int(trace.waits["event"][row]) if record != NONE else _NO_ID
            by_id = sync_ids.get(record, 0 if record != NONE else _NO_ID)
            row_of = place | {"deviceId": 0, "syncType": kinds[kind], "eventId": event, "eventSyncId": by_id}
            self._add("CUPTI_ACTIVITY_KIND_SYNCHRONIZATION", **row_of)

    def _records(self, trace: DeviceTrace, pid: int) -> dict[int, int]:
        """Write the records of events; returns correlation id → the id that waits name them by."""
        waits = trace.waits
        event_of = {
            int(record): int(event)
            for record, event in zip(waits["record_correlation"], waits["event"], strict=True)
            if record >= 0
        }
        numbers: dict[int, int] = {}
        for at in np.flatnonzero(trace.kinds == Kind.EVENT_RECORD).tolist():
            correlation = int(trace.correlation[at])
            number = numbers.setdefault(correlation, len(numbers) + 1)
            named = {"eventId": event_of.get(correlation, 0), "eventSyncId": number}
            self._add("CUPTI_ACTIVITY_KIND_CUDA_EVENT", **self._place(trace, at, pid), **named)
        return numbers


def _columns(schema: str) -> dict[str, list[tuple[object, ...]]]:
    """The columns of each table, as `PRAGMA table_info` gives them."""
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(schema)
        tables = [name for (name,) in empty.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: empty.execute(f"PRAGMA table_info({table})").fetchall() for table in tables}


def _copy(name: str) -> dict[str, int]:
    """`Memcpy HtoD (Pageable -> Device)` → the three numbers that say so."""
    what = name.removeprefix("Memcpy ").partition(" ")[0]
    source, _, target = name.partition("(")[2].rstrip(")").partition(" -> ")
    return {"copyKind": _COPIES.get(what, 0), "srcKind": _KINDS.get(source, 7), "dstKind": _KINDS.get(target, 7)}
