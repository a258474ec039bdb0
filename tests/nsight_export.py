"""Exports of Nsight Systems with known truth: the rows of a torch trace, as `nsys export --type sqlite` writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.timeline import Kind, WaitKind

BEGAN_NS = 1_000_000_000
"""How long the session had run before the first event."""
MARKER = "ortprobe.run#"
_TABLES = {
    "StringIds": "id INTEGER PRIMARY KEY, value TEXT",
    "TARGET_INFO_SESSION_START_TIME": "utcEpochNs INTEGER",
    "TARGET_INFO_GPU": "id INTEGER, name TEXT",
    "META_DATA_EXPORT": "name TEXT, value TEXT",
    "CUPTI_ACTIVITY_KIND_RUNTIME": "start INTEGER, end INTEGER, eventClass INTEGER, globalTid INTEGER, "
    "correlationId INTEGER, nameId INTEGER, returnValue INTEGER",
    "CUPTI_ACTIVITY_KIND_KERNEL": "start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER, "
    "correlationId INTEGER, globalPid INTEGER, demangledName INTEGER, gridX INTEGER, gridY INTEGER, gridZ INTEGER, "
    "graphNodeId INTEGER",
    "CUPTI_ACTIVITY_KIND_MEMCPY": "start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER, "
    "correlationId INTEGER, globalPid INTEGER, bytes INTEGER, copyKind INTEGER, srcKind INTEGER, dstKind INTEGER",
    "CUPTI_ACTIVITY_KIND_MEMSET": "start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER, "
    "correlationId INTEGER, globalPid INTEGER, bytes INTEGER, memKind INTEGER",
    "CUPTI_ACTIVITY_KIND_SYNCHRONIZATION": "start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER, "
    "correlationId INTEGER, globalPid INTEGER, syncType INTEGER, eventId INTEGER, eventSyncId INTEGER",
    "CUPTI_ACTIVITY_KIND_CUDA_EVENT": "deviceId INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER, "
    "eventId INTEGER, eventSyncId INTEGER",
    "NVTX_EVENTS": "start INTEGER, end INTEGER, eventType INTEGER, text TEXT, globalTid INTEGER, textId INTEGER, "
    "domainId INTEGER, uint64Value INTEGER, int64Value INTEGER",
    "PROFILER_OVERHEAD": "start INTEGER, end INTEGER, globalTid INTEGER, nameId INTEGER",
    "TARGET_INFO_CUDA_STREAM": "streamId INTEGER, contextId INTEGER, flag INTEGER, processId INTEGER",
    "TARGET_INFO_CUDA_CONTEXT_INFO": "contextId INTEGER, deviceId INTEGER, processId INTEGER",
}
_KINDS = {"Pageable": 0, "Pinned": 1, "Device": 2, "Array": 3, "Managed": 4}
_COPIES = {"HtoD": 1, "DtoH": 2, "DtoD": 8, "HtoH": 9, "PtoP": 10}
_SYNC_TYPES = {WaitKind.EVENT_SYNC: 1, WaitKind.STREAM_WAIT_EVENT: 2, WaitKind.STREAM_SYNC: 2}
_NO_ID = (1 << 32) - 1


@dataclass
class Export:
    """What is written. `without` names tables, or columns as `TABLE.column`, that a version of nsys does not have."""

    without: Sequence[str] = ()
    thread_of: Callable[[int], int] = int

    def write(self, path: Path, traces: Sequence[DeviceTrace]) -> Path:
        """All traces in one export."""
        self._texts: dict[str, int] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._epoch_ns = min(int(trace.start_ns.min()) for trace in traces if len(trace)) - BEGAN_NS
        with closing(sqlite3.connect(path)) as self._file:
            for table, columns in _TABLES.items():
                if table not in self.without:
                    self._file.execute(f"CREATE TABLE {table} ({columns})")
            self._add("TARGET_INFO_SESSION_START_TIME", [(self._epoch_ns,)])
            self._add("META_DATA_EXPORT", [("EXPORT_PRODUCT_VERSION", "2025.3.2.0")])
            for trace in traces:
                self._trace(trace)
            self._add("StringIds", [(number, text) for text, number in self._texts.items()])
            for table, column in (one.split(".") for one in self.without if "." in one):
                self._file.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
            self._file.commit()
        return path

    def _add(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows and table not in self.without:
            marks = ", ".join("?" * len(rows[0]))
            self._file.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts) + 1)

    def _trace(self, trace: DeviceTrace) -> None:
        self._add("TARGET_INFO_GPU", list(enumerate(trace.devices)))
        process = trace.process
        pid = (1 << 48) | (process << 24)
        start, end = (trace.start_ns - self._epoch_ns).tolist(), (trace.end_ns - self._epoch_ns).tolist()
        names = [trace.names[name] for name in trace.name.tolist()]
        threads = [self.thread_of(thread) & 0xFFFFFF for thread in trace.threads[trace.place].tolist()]
        correlation, device, stream = (column.tolist() for column in (trace.correlation, trace.device, trace.stream))
        work = {index: row for row, index in enumerate(trace.device_ops["index"].tolist())}
        of_waits = {index: row for row, index in enumerate(trace.waits["index"].tolist())}
        sync_ids = self._records(trace, pid, correlation, device, stream)
        for at, kind in enumerate(trace.kinds.tolist()):
            times = (start[at], end[at])
            place = (*times, device[at], stream[at] if stream[at] >= 0 else _NO_ID, correlation[at], pid)
            if kind == Kind.CUDA_CALL:
                call = (*times, 0, pid | threads[at], correlation[at], self._text(f"{names[at]}_v3020"), 0)
                self._add("CUPTI_ACTIVITY_KIND_RUNTIME", [call])
            elif kind == Kind.KERNEL:
                blocks = int(trace.device_ops["blocks"][work[at]])
                graph = int(trace.device_ops["graph"][work[at]])
                node = None if graph < 0 else (graph << 32) | 1
                self._add("CUPTI_ACTIVITY_KIND_KERNEL", [(*place, self._text(names[at]), blocks, 1, 1, node)])
            elif kind == Kind.MEMCPY:
                size_bytes = int(trace.device_ops["size_bytes"][work[at]])
                self._add("CUPTI_ACTIVITY_KIND_MEMCPY", [(*place, size_bytes, *_copy(names[at]))])
            elif kind == Kind.MEMSET:
                self._add("CUPTI_ACTIVITY_KIND_MEMSET", [(*place, int(trace.device_ops["size_bytes"][work[at]]), 2)])
            elif kind == Kind.WAIT:
                row = of_waits.get(at)
                wait = None if row is None else WaitKind(int(trace.waits["kind"][row]))
                if row is not None and wait in _SYNC_TYPES:
                    record = int(trace.waits["record_correlation"][row])
                    event = int(trace.waits["event"][row]) if record >= 0 else _NO_ID
                    sync = (*place, _SYNC_TYPES[wait], event, sync_ids.get(record, 0 if record >= 0 else _NO_ID))
                    self._add("CUPTI_ACTIVITY_KIND_SYNCHRONIZATION", [sync])
            elif kind == Kind.ANNOTATION and names[at].startswith(MARKER):
                payload = int(names[at].removeprefix(MARKER))
                text = self._text("run_with_iobinding")
                self._add("NVTX_EVENTS", [(*times, 59, None, pid | threads[at], text, 1, payload, None)])
            elif kind == Kind.OVERHEAD:
                self._add("PROFILER_OVERHEAD", [(*times, pid | threads[at], self._text(names[at]))])
        self._add("NVTX_EVENTS", [(start[0], None, 75, "ortprobe", pid, None, 1, None, None)])

    def _records(
        self, trace: DeviceTrace, pid: int, correlation: list[int], device: list[int], stream: list[int]
    ) -> dict[int, int]:  # fmt: skip
        """Write the records of events that waits name; returns correlation id → the id that waits name them by."""
        waits = trace.waits
        event_of = {
            int(record): int(event)
            for record, event in zip(waits["record_correlation"], waits["event"], strict=True)
            if record >= 0
        }
        numbers = {}
        for at in np.flatnonzero(trace.kinds == Kind.EVENT_RECORD).tolist():
            number = numbers.setdefault(correlation[at], len(numbers) + 1)
            event = event_of.get(correlation[at], 0)
            row = (device[at], stream[at], correlation[at], pid, event, number)
            self._add("CUPTI_ACTIVITY_KIND_CUDA_EVENT", [row])
        return numbers


def _copy(name: str) -> tuple[int, int, int]:
    """`Memcpy HtoD (Pageable -> Device)` → the three numbers that say so."""
    what = name.removeprefix("Memcpy ").partition(" ")[0]
    source, _, target = name.partition("(")[2].rstrip(")").partition(" -> ")
    return _COPIES.get(what, 0), _KINDS.get(source, 7), _KINDS.get(target, 7)
