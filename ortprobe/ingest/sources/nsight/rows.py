"""Rows of Nsight Systems' tables, gathered for all processes of an export and parted by process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ortprobe.ingest.sources.columns import Columns
from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.ingest.sources.files import LIMIT_NS
from ortprobe.timeline import DEVICE_WORK, NONE, Bools, Int32s, Int64s, Kind, SourceKind

PROCESS_SHIFT, PROCESS_MASK, THREAD_MASK = 24, (1 << 24) - 1, (1 << 24) - 1
"""Where `globalTid` and `globalPid` hold the process, and the former the thread."""

_MOST_DEVICES = 1 << 16
_LAST_PROCESS = 1 << 22
"""`PID_MAX_LIMIT` of Linux."""
_ON_STREAM = (*DEVICE_WORK, Kind.EVENT_RECORD)


class NsightRows:
    """What was read so far. Times go in as the file has them, and come out as Unix time."""

    def __init__(self, texts: Mapping[int, str], epoch_ns: int) -> None:
        self.texts = texts
        """`StringIds`; see `text`."""
        self.epoch_ns = epoch_ns
        """When the session began; 0 where that is not stated."""
        self.unreadable = 0
        """Rows that are left out: with times that no capture can have or none, work and records of events
        on no device or stream, and waits of unknown kinds."""
        self.nameless = 0
        """Calls whose names are lost."""
        self._names: dict[str, int] = {}
        self._devices: dict[int, set[int]] = {}
        self._all = Columns(
            kind=np.uint8, start_ns=np.int64, end_ns=np.int64, name=np.int32, place=np.int64, correlation=np.int64,
            device=np.int32, stream=np.int64,
        )  # fmt: skip
        self._work = Columns(index=np.int64, size_bytes=np.int64, blocks=np.int64, graph=np.int64)
        self._waits = Columns(
            index=np.int64, kind=np.int64, waited_stream=np.int64, record_correlation=np.int64, event=np.int64
        )
        self._whole: dict[str, dict[str, Int64s]] | None = None

    def name(self, text: str) -> int:
        """The number of a name."""
        return self._names.setdefault(text, len(self._names))

    def text(self, number: int) -> str:
        """What `StringIds` has under this id."""
        return self.texts.get(number, "unnamed")

    def names_by_id(self, ids: Int64s, change: Callable[[str], str] = str) -> Int32s:
        """The numbers of the names that `StringIds` has under these ids."""
        known, which = np.unique(ids, return_inverse=True)
        numbers = [self.name(change(self.text(number))) for number in known.tolist()]
        return np.array(numbers, np.int32)[which]

    def add(self, kind: Kind, found: Mapping[str, Int64s], *, name: Int32s, place: Int64s) -> Bools:
        """Rows of one kind. `place` is their `globalTid`, or a `globalPid` for what lies on a stream; NONE where it is
        not stated.

        Returns which of them were taken.
        """
        latest_ns = LIMIT_NS - self.epoch_ns
        start_ns, end_ns = found["start"], found["end"]
        sound: Bools = (np.minimum(start_ns, end_ns) > -LIMIT_NS) & (np.maximum(start_ns, end_ns) < latest_ns)
        sound &= (start_ns != NONE) & (end_ns != NONE)
        if kind != Kind.ANNOTATION:  # seen are events of NVTX that lie 0.3 s before the session
            sound &= start_ns >= 0
        nowhere = np.full(len(sound), NONE, np.int64)
        device, stream = found.get("deviceId", nowhere), known_ids(found.get("streamId", nowhere))
        if kind in _ON_STREAM:
            sound &= (device >= 0) & (device <= _MOST_DEVICES) & (stream >= 0)
        self.unreadable += int((~sound).sum())
        kept = np.flatnonzero(sound)
        self._all.add(
            kind=np.full(len(kept), kind, np.uint8),
            start_ns=found["start"][kept] + self.epoch_ns,
            end_ns=found["end"][kept] + self.epoch_ns,
            name=name[kept],
            place=place[kept],
            correlation=found.get("correlationId", nowhere)[kept],
            device=np.where(device > _MOST_DEVICES, NONE, np.maximum(device, NONE))[kept],
            stream=stream[kept],
        )
        return sound

    def add_work(
        self, kind: Kind, found: Mapping[str, Int64s], *, name: Int32s, size_bytes: Int64s, blocks: Int64s
    ) -> None:
        """Kernels, copies or fills."""
        first = len(self._all)
        taken = self.add(kind, found, name=name, place=found["globalPid"])
        on_devices = np.column_stack((process_of(found["globalPid"]), found["deviceId"]))[taken]
        for process, device in np.unique(on_devices, axis=0).tolist():
            self._devices.setdefault(process, set()).add(device)
        of_graph = found["graphId"] if "graphId" in found else _graphs(found["graphNodeId"])
        kept = np.flatnonzero(taken)
        self._work.add(
            index=np.arange(len(kept)) + first, size_bytes=size_bytes[kept], blocks=blocks[kept], graph=of_graph[kept]
        )

    def add_waits(self, found: Mapping[str, Int64s], *, name: Int32s, place: Int64s) -> None:
        """Synchronisation records: `found` holds `kind`, `waited_stream`, `record_correlation` and `event` as well."""
        first = len(self._all)
        kept = np.flatnonzero(self.add(Kind.WAIT, found, name=name, place=place))
        own = {column: found[column][kept] for column in ("kind", "waited_stream", "record_correlation", "event")}
        self._waits.add(index=np.arange(len(kept)) + first, **own)

    def only_devices(self, place: Int64s) -> Int64s:
        """For each `globalTid` or `globalPid` the device that its process worked on, as far as rows were added; NONE
        where there are several."""
        processes, which = np.unique(process_of(place), return_inverse=True)
        seen = [self._devices.get(each, set()) | self._devices.get(NONE, set()) for each in processes.tolist()]
        only: Int64s = np.array([next(iter(each)) if len(each) == 1 else NONE for each in seen], np.int64)
        return only[which]

    def processes(self) -> list[int]:
        """The processes that called CUDA, in the order of their first call."""
        every = self._columns()["all"]
        of_calls = process_of(every["place"][every["kind"] == Kind.CUDA_CALL])
        return [process for process in dict.fromkeys(of_calls.tolist()) if process != NONE]

    def without_process(self) -> int:
        """How many rows can't be told whose they are: no process is stated for them, and there are several, or they
        are of the device, and the process that is stated for them made no call."""
        every, processes = self._columns()["all"], self.processes()
        stated = process_of(every["place"])
        on_device = np.isin(every["kind"], (*_ON_STREAM, Kind.WAIT))
        foreign = on_device & (stated != NONE) & np.isin(stated, processes, invert=True)
        return int(foreign.sum()) + (int((stated == NONE).sum()) if len(processes) > 1 else 0)

    def of_process(self, process: int, path: str) -> DeviceTrace:
        """The rows of one process of the export at `path`; what no process is stated for is of the only one, or left
        out. What no row says, such as which GPU a device is, is left empty."""
        whole, processes = self._columns(), self.processes()
        every, only = whole["all"], processes[0] if len(processes) == 1 else NONE
        stated = process_of(every["place"])
        owner = np.where(stated == NONE, only, stated)
        mine = np.flatnonzero(owner == process)
        position = np.full(len(owner), NONE, np.int64)
        position[mine] = np.arange(len(mine))
        on_thread = (every["device"][mine] == NONE) & (stated[mine] != NONE)
        thread = np.where(on_thread, every["place"][mine] & THREAD_MASK, NONE)
        threads, place = np.unique(thread, return_inverse=True)
        length_ns = every["end_ns"][mine] - every["start_ns"][mine]
        return DeviceTrace(
            kind=SourceKind.NSIGHT,
            path=path,
            devices=(),
            versions={},
            problems=(),
            began_ns=self.epoch_ns or None,
            rows=mine.astype(np.int32),
            start_ns=every["start_ns"][mine],
            end_ns=every["start_ns"][mine] + np.maximum(length_ns, 0),
            kinds=every["kind"][mine].astype(np.uint8),
            correlation=every["correlation"][mine],
            external=np.full(len(mine), NONE, np.int64),
            name=every["name"][mine].astype(np.int32),
            names=tuple(self._names),
            place=place.astype(np.int32),
            processes=np.full(len(threads), process, np.int64),
            threads=threads,
            device=every["device"][mine].astype(np.int32),
            stream=every["stream"][mine],
            device_ops=_of(whole["work"], position),
            waits=_of(whole["waits"], position),
            backwards=int((length_ns < 0).sum()),
        )

    def _columns(self) -> dict[str, dict[str, Int64s]]:
        if self._whole is None:
            self._whole = {"all": self._all.all(), "work": self._work.all(), "waits": self._waits.all()}
        return self._whole


def _of(columns: Mapping[str, Int64s], position: Int64s) -> dict[str, Int64s]:
    """The rows of a process, with their `index` among those of the process."""
    index = position[columns["index"]]
    own = index != NONE
    return {name: column[own] for name, column in columns.items()} | {"index": index[own]}


def process_of(place: Int64s) -> Int64s:
    """The process of each `globalTid` or `globalPid`; NONE where that has no process that there can be."""
    process = (place >> PROCESS_SHIFT) & PROCESS_MASK
    return np.where(process > _LAST_PROCESS, NONE, process)


def known_ids(ids: Int64s) -> Int64s:
    """CUPTI writes what there is none of as the greatest number of 32 bits: that, and what no id can be, is NONE."""
    return np.where((ids >= 0) & (ids < (1 << 32) - 1), ids, NONE)


def _graphs(nodes: Int64s) -> Int64s:
    """CUPTI puts the graph's id into the upper half of the ids of its nodes (`cuptiGetGraphNodeId`)."""
    return np.where(nodes <= 0, NONE, np.maximum(nodes >> 32, 0))
