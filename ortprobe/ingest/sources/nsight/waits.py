"""Waits and records of events in an export of Nsight Systems, and which wait is for which record."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import numpy as np

from ortprobe.ingest.sources.nsight.devices import devices_of_contexts
from ortprobe.ingest.sources.nsight.rows import NsightRows, known_ids, process_of
from ortprobe.ingest.sources.nsight.schema import EVENTS, SYNCS
from ortprobe.ingest.sources.nsight.sqlite_tables import SqliteTables
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, WaitKind

_NO_EVENT = ((1 << 32) - 1, NONE)
_EVENT_SYNC, _STREAM_WAIT, _STREAM_SYNC, _CONTEXT_SYNC = 1, 2, 3, 4
"""`ENUM_CUPTI_SYNC_TYPE`."""
_WAITS_FOR_DEVICE = ("cudaDeviceSynchronize", "cudaThreadSynchronize", "cuCtxSynchronize")
_LABELS = {
    WaitKind.STREAM_WAIT_EVENT: "Stream Wait Event",
    WaitKind.EVENT_SYNC: "Event Sync",
    WaitKind.STREAM_SYNC: "Stream Sync",
    WaitKind.DEVICE_SYNC: "Context Sync",
}
"""As Kineto calls them."""


def add_waits(rows: NsightRows, tables: SqliteTables, calls: Mapping[str, Int64s]) -> None:
    """Synchronisation records, records of events, and waits for the device, which leave no record of their own.

    Where no wait at all was recorded, those for the device are left out as well: alone they would pass for all of them.
    A wait names its event's record by `eventSyncId`, since 2025; before, and where it is 0, it is the last record of
    the event before the wait, by correlation ids, which count the calls of a process.
    """
    records = tables.columns(EVENTS, "deviceId", "streamId", "correlationId", "globalPid", "eventId", "eventSyncId")
    syncs = tables.columns(
        SYNCS, "start", "end", "deviceId", "contextId", "streamId", "correlationId", "globalPid", "syncType", "eventId",
        "eventSyncId",
    )  # fmt: skip
    _add_records(rows, records, calls)
    on_event = ~np.isin(syncs["eventId"], _NO_EVENT)
    of = _records_of(syncs, records, on_event)
    known = of != NONE
    waited, record = (np.full(len(of), NONE, np.int64) for _ in range(2))
    waited[known], record[known] = known_ids(records["streamId"])[of[known]], records["correlationId"][of[known]]
    kind = _kinds(syncs["syncType"], on_event)
    sound = kind != NONE
    rows.unreadable += int((~sound).sum())
    found = {
        **syncs,
        "deviceId": _devices(rows, syncs, tables),
        "kind": kind,
        "waited_stream": waited,
        "record_correlation": record,
    }
    found["event"] = np.where(on_event, syncs["eventId"], NONE)
    found = {name: column[sound] for name, column in found.items()}
    rows.add_waits(found, name=_labels(rows, found["kind"]), place=found["globalPid"])
    if len(syncs["start"]):
        _add_device_waits(rows, calls, syncs)


def _devices(rows: NsightRows, syncs: Mapping[str, Int64s], tables: SqliteTables) -> Int64s:
    """The device of each wait's context, or else the only one that its process worked on: the column `deviceId` is 0
    for every wait (seen in 2025.3 on two H200)."""
    device_of = devices_of_contexts(tables)
    contexts = np.column_stack((process_of(syncs["globalPid"]), syncs["contextId"]))
    keys, which = np.unique(contexts, axis=0, return_inverse=True)
    devices = [device_of.get((process, context), NONE) for process, context in keys.tolist()]
    of_context: Int64s = np.array(devices, np.int64)[which.reshape(-1)]
    return np.where(of_context == NONE, rows.only_devices(syncs["globalPid"]), of_context)


def _add_records(rows: NsightRows, records: Mapping[str, Int64s], calls: Mapping[str, Int64s]) -> None:
    """A record of an event has no time of its own: it is put where its call ends."""
    call, known = _calls_of(records, calls)
    at_ns = calls["end"][call[known]]
    found = {name: column[known] for name, column in records.items()} | {"start": at_ns, "end": at_ns}
    name = np.full(len(at_ns), rows.name("Event Record"), np.int32)
    rows.add(Kind.EVENT_RECORD, found, name=name, place=found["globalPid"])


def _calls_of(records: Mapping[str, Int64s], calls: Mapping[str, Int64s]) -> tuple[Int64s, Bools]:
    """The call of each record, by process and correlation id; and whether it is there."""
    own, wanted = _keys(calls["globalTid"], calls), _keys(records["globalPid"], records)
    if not len(own):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    order = np.argsort(own, kind="stable")
    at = order[np.minimum(np.searchsorted(own[order], wanted), len(own) - 1)]
    return at, (own[at] == wanted) & (records["correlationId"] != NONE)


def _keys(place: Int64s, columns: Mapping[str, Int64s]) -> Int64s:
    return (process_of(place) << 32) | (columns["correlationId"] & 0xFFFFFFFF)


def _records_of(syncs: Mapping[str, Int64s], records: Mapping[str, Int64s], on_event: Bools) -> Int64s:
    """The row of the record that each wait is for; NONE where none is known, or several have the id that it states."""
    found = np.full(len(on_event), NONE, np.int64)
    columns = records["globalPid"], records["eventSyncId"], records["eventId"], records["correlationId"]
    by_id: dict[tuple[int, int], int] = {}
    history: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, (process, number, event, correlation) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        if number > 0:
            by_id[process, number] = NONE if (process, number) in by_id else row
        history.setdefault((process, event), []).append((correlation, row))
    for own in history.values():
        own.sort()
    for wait in np.flatnonzero(on_event).tolist():
        process, number = int(syncs["globalPid"][wait]), int(syncs["eventSyncId"][wait])
        stated = by_id.get((process, number))
        if stated is None:
            own = history.get((process, int(syncs["eventId"][wait])), [])
            before = bisect_left(own, (int(syncs["correlationId"][wait]), NONE))
            stated = own[before - 1][1] if before else NONE
        found[wait] = stated
    return found


def _kinds(sync_type: Int64s, on_event: Bools) -> Int64s:
    kind = np.full(len(sync_type), NONE, np.int64)
    kind[sync_type == _EVENT_SYNC] = WaitKind.EVENT_SYNC
    kind[(sync_type == _STREAM_SYNC) | ((sync_type == _STREAM_WAIT) & ~on_event)] = WaitKind.STREAM_SYNC
    kind[(sync_type == _STREAM_WAIT) & on_event] = WaitKind.STREAM_WAIT_EVENT
    kind[sync_type == _CONTEXT_SYNC] = WaitKind.DEVICE_SYNC
    return kind


def _labels(rows: NsightRows, kinds: Int64s) -> Int32s:
    numbers = {kind: rows.name(label) for kind, label in _LABELS.items()}
    return np.array([numbers[WaitKind(kind)] for kind in kinds.tolist()], np.int32)


def _add_device_waits(rows: NsightRows, calls: Mapping[str, Int64s], syncs: Mapping[str, Int64s]) -> None:
    """A call does not say which device it is for, nor is `cudaSetDevice` recorded: known is that of a process that
    worked on one alone."""
    names = [number for number, text in rows.texts.items() if text.partition("_")[0] in _WAITS_FOR_DEVICE]
    recorded = np.isin(_keys(calls["globalTid"], calls), _keys(syncs["globalPid"], syncs))
    alone = np.flatnonzero(np.isin(calls["nameId"], names) & ~recorded)
    found = {name: column[alone] for name, column in calls.items()}
    none = np.full(len(alone), NONE, np.int64)
    found |= {"deviceId": rows.only_devices(found["globalTid"]), "streamId": none, "waited_stream": none}
    found |= {"kind": np.full(len(alone), WaitKind.DEVICE_SYNC, np.int64), "record_correlation": none, "event": none}
    rows.add_waits(found, name=_labels(rows, found["kind"]), place=found["globalTid"])
