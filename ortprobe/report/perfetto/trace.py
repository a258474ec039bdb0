"""A native Perfetto trace (`.pftrace`), for ui.perfetto.dev: lanes as tracks, marks as slices, arrows as flows.

Times are since the first event, so that most take five bytes; a clock snapshot says what they are in Unix time. Names
are interned (`trace_packet.proto`, `track_event.proto`, `interned_data.proto` of Perfetto v58). Packets are compressed,
a batch at a time, as Perfetto itself does on the way to a file.

Before them comes the Timeline itself, in packets with one field that Perfetto skips, so that ortprobe can read it back.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ortprobe.ingest.exported import TIMELINE_FIELD
from ortprobe.report.perfetto.carried import carried
from ortprobe.report.perfetto.wire import Field, Fixed64s, Nested, Texts, Varints, batches, encode, one, wrapped
from ortprobe.report.rows.counters import Counter, counters
from ortprobe.report.rows.findings import add_findings
from ortprobe.report.rows.flows import Flows, flows_of
from ortprobe.report.rows.marks import Category, Marks, MarkSheet, NamePool
from ortprobe.report.rows.sheet import lay_out
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Int64s, Timeline

_PACKET = 1
_TIMESTAMP, _CLOCK_SNAPSHOT, _SEQUENCE, _TRACK_EVENT, _INTERNED, _FLAGS, _TRACK_DESCRIPTOR = 8, 6, 10, 11, 12, 13, 60
_COMPRESSED_PACKETS = 50
_CLEARED, _NEEDS_INTERNED = 1, 2
_BEGIN, _END, _INSTANT, _COUNTER = 1, 2, 3, 4
_CATEGORY_IIDS, _ANNOTATIONS, _TYPE, _NAME_IID, _TRACK, _COUNTER_VALUE, _FLOW_IDS = 3, 4, 9, 10, 11, 30, 47
_REALTIME, _BOOTTIME = 1, 6
_EXPLICIT_ORDER = 3
_BYTES_UNIT, _COUNT_UNIT = 3, 2
_PROCESS_TRACK = 1
_SEQUENCE_ID = 1
_CHUNK_BYTES = 1 << 20
"""Of the Timeline in one packet. Perfetto reads no field of more than 256 MiB."""
_LEVEL = 3
"""Of zlib: a quarter of the size, in half of the time that the packets take to make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Track:
    uuid: int
    parent: int
    name: str
    rank: int
    description: str = ""
    unit: int = 0
    """Of a counter; 0 for tracks of slices."""


def render_perfetto(judgement: Judgement) -> bytes:
    """The judged capture as a Perfetto trace."""
    timeline = judgement.analyses.timeline
    pool = NamePool(list(timeline.names))
    sheet = lay_out(judgement, pool)
    described = add_findings(sheet, judgement, pool)
    marks, first_ns = sheet.marks(), timeline.start_ns
    counted = list(counters(timeline))
    tracks = list(_tracks(sheet, counted))
    first_row = 2 + len(sheet.lanes)
    packets = chain(
        [_head(timeline, first_ns, pool, described), _described(timeline, tracks)],
        _events(timeline, marks, first_row, first_ns, flows_of(judgement, marks), described),
        (_counter(each, first_row + len(sheet.rows) + number, first_ns) for number, each in enumerate(counted)),
    )
    with ThreadPoolExecutor() as threads:  # zlib compresses some while NumPy makes the next
        return b"".join((*_timeline(timeline), *threads.map(_compressed, packets)))


def _timeline(timeline: Timeline) -> Iterator[bytes]:
    """Packets with the Timeline in them, piece by piece."""
    content = carried(timeline)
    for begin in range(0, len(content), _CHUNK_BYTES):
        yield wrapped(_PACKET, wrapped(TIMELINE_FIELD, content[begin : begin + _CHUNK_BYTES]))


def _compressed(packets: bytes) -> bytes:
    """One packet that stands for these; none for none."""
    return wrapped(_PACKET, wrapped(_COMPRESSED_PACKETS, zlib.compress(packets, _LEVEL))) if packets else b""


def _tracks(sheet: MarkSheet, counted: Sequence[Counter]) -> Iterator[_Track]:
    """One for each lane, below it one for each of its rows; rows of one layer have one name, and are drawn as one."""
    for number, lane in enumerate(sheet.lanes):
        if not lane.counter:
            yield _Track(uuid=2 + number, parent=_PROCESS_TRACK, name=lane.label, rank=number, description=lane.note)
    first_row = 2 + len(sheet.lanes)
    for number, row in enumerate(sheet.rows):
        yield _Track(uuid=first_row + number, parent=2 + row.lane, name=row.layer, rank=number)
    for number, counter in enumerate(counted):
        yield _Track(
            uuid=first_row + len(sheet.rows) + number, parent=_PROCESS_TRACK, name=counter.name,
            rank=len(sheet.lanes) + number, unit=_BYTES_UNIT if counter.unit == "B" else _COUNT_UNIT,
        )  # fmt: skip


def _described(timeline: Timeline, tracks: Sequence[_Track]) -> bytes:
    process = max(timeline.capture.process, 0) or next((lane.process for lane in timeline.lanes if lane.process > 0), 1)
    title = timeline.capture.target or "ortprobe"
    whole = encode(1, _PACKET, [_of_sequence(1), Nested(number=_TRACK_DESCRIPTOR, fields=[
        Varints(number=1, values=_ints([_PROCESS_TRACK])),
        Nested(number=3, fields=[Varints(number=1, values=_ints([process])), Texts(number=6, values=[title])]),
        Varints(number=11, values=_ints([_EXPLICIT_ORDER])),
    ])])  # fmt: skip
    counts = np.array([track.unit > 0 for track in tracks], np.bool_)
    fields: list[Field] = [
        Varints(number=1, values=_ints([track.uuid for track in tracks])),
        Varints(number=5, values=_ints([track.parent for track in tracks])),
        Texts(number=2, values=[track.name for track in tracks]),
        Texts(
            number=14, values=[track.description for track in tracks],
            present=np.array([bool(track.description) for track in tracks], np.bool_),
        ),
        Varints(number=11, values=np.full(len(tracks), _EXPLICIT_ORDER, np.int64)),
        Varints(number=12, values=_ints([track.rank for track in tracks])),
        Nested(number=8, fields=[Varints(number=3, values=_ints([track.unit for track in tracks]))], present=counts),
    ]  # fmt: skip
    return whole + encode(len(tracks), _PACKET, [_of_sequence(len(tracks)), Nested(number=60, fields=fields)])


def _head(timeline: Timeline, first_ns: int, pool: NamePool, described: Mapping[int, str]) -> bytes:
    """Clocks, and every name by its number, which counts from 1."""
    clocks: list[Field] = [
        Nested(number=1, fields=[Varints(number=1, values=_ints([clock])), Varints(number=2, values=_ints([at_ns]))])
        for clock, at_ns in ((_BOOTTIME, 0), (_REALTIME, max(first_ns, 0)))
    ]
    snapshot = encode(1, _PACKET, [_of_sequence(1), Nested(number=_CLOCK_SNAPSHOT, fields=clocks)])
    cleared = encode(1, _PACKET, [_of_sequence(1), Varints(number=_FLAGS, values=_ints([_CLEARED]))])
    nodes = [timeline.names[name] for name in timeline.nodes.name.tolist()]
    words = (
        (1, [category.name.lower() for category in Category]),
        (2, pool.names),
        (3, ["node", "run", "finding"]),
        (29, [*nodes, *described.values()]),
    )
    return snapshot + cleared + b"".join(_interned(kind, texts) for kind, texts in words if texts)


def _interned(kind: int, texts: Sequence[str]) -> bytes:
    """A packet for each text, made by itself: some names are a thousand times as long as others."""
    before = one(_SEQUENCE, _SEQUENCE_ID) + one(_FLAGS, _NEEDS_INTERNED)
    entries = (one(1, number) + wrapped(2, text.encode("utf-8", "replace")) for number, text in enumerate(texts, 1))
    return b"".join(wrapped(_PACKET, before + wrapped(_INTERNED, wrapped(kind, entry))) for entry in entries)


def _events(
    timeline: Timeline, marks: Marks, first_row: int, first_ns: int, flows: Flows, described: Mapping[int, str]
) -> Iterator[bytes]:  # fmt: skip
    """A begin and an end for each mark, or an instant for what takes no time, in the order of time.

    On one track the end of a mark comes before the begin of the next at the same time.
    """
    lasting = np.flatnonzero(marks.end_ns > marks.start_ns)
    mark = np.concatenate((np.arange(len(marks)), lasting))
    kind = np.where(marks.end_ns > marks.start_ns, _BEGIN, _INSTANT)
    kind = np.concatenate((kind, np.full(len(lasting), _END)))
    at_ns = np.concatenate((marks.start_ns, marks.end_ns[lasting]))
    order = np.lexsort((mark, kind != _END, at_ns))
    mark, kind, at_ns = mark[order], kind[order], at_ns[order]
    begins = kind != _END
    node, run = marks.node[mark], marks.run[mark]
    number_of_name = np.zeros(int(marks.name.max(initial=0)) + 1, np.int64)
    number_of_name[list(described)] = np.arange(len(described)) + len(timeline.nodes) + 1
    told = number_of_name[marks.name[mark]]
    event: list[Field] = [
        Varints(number=_TYPE, values=kind),
        Varints(number=_TRACK, values=marks.row[mark] + first_row),
        Varints(number=_CATEGORY_IIDS, values=marks.category[mark] + 1, present=begins),
        Varints(number=_NAME_IID, values=marks.name[mark] + 1, present=begins),
        _annotation(1, 17, node + 1, begins & (node != NONE)),
        _annotation(2, 4, run, begins & (run != NONE)),
        _annotation(3, 17, told, begins & (told > 0)),
        *(Fixed64s(number=_FLOW_IDS, values=ids[mark], present=begins & (ids[mark] > 0)) for ids in flows),
    ]
    return batches(len(mark), _PACKET, [
        Varints(number=_TIMESTAMP, values=at_ns - first_ns),
        _of_sequence(len(mark)),
        Varints(number=_FLAGS, values=np.full(len(mark), _NEEDS_INTERNED, np.int64)),
        Nested(number=_TRACK_EVENT, fields=event),
    ])  # fmt: skip


def _annotation(name: int, field: int, values: Int64s, present: np.ndarray) -> Nested:
    """A debug annotation: `field` says of which type the value is."""
    fields = [Varints(number=1, values=np.full(len(values), name, np.int64)), Varints(number=field, values=values)]
    return Nested(number=_ANNOTATIONS, fields=fields, present=present)


def _counter(counter: Counter, uuid: int, first_ns: int) -> bytes:
    count = len(counter.time_ns)
    event: list[Field] = [
        Varints(number=_TYPE, values=np.full(count, _COUNTER, np.int64)),
        Varints(number=_TRACK, values=np.full(count, uuid, np.int64)),
        Varints(number=_COUNTER_VALUE, values=counter.value),
    ]
    return encode(count, _PACKET, [
        Varints(number=_TIMESTAMP, values=counter.time_ns - first_ns),
        _of_sequence(count),
        Nested(number=_TRACK_EVENT, fields=event),
    ])  # fmt: skip


def _of_sequence(count: int) -> Varints:
    return Varints(number=_SEQUENCE, values=np.full(count, _SEQUENCE_ID, np.int64))


def _ints(values: Sequence[int]) -> Int64s:
    return np.array(values, np.int64)
