"""Events of a torch trace: as msgspec decodes them, and as columns."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from itertools import compress
from math import prod
from operator import or_
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortprobe.ingest.sources.columns import Columns
from ortprobe.ingest.sources.files import LIMIT_NS
from ortprobe.timeline import DEVICE_WORK, NONE, Bools, Int32s, Int64s, Kind, UInt8s, WaitKind

_LEFT_OUT = 255
_KINDS = {
    "cpu_op": Kind.TORCH_OP,
    "user_annotation": Kind.ANNOTATION,
    "python_function": Kind.PYTHON,
    "cuda_runtime": Kind.CUDA_CALL,
    "cuda_driver": Kind.CUDA_CALL,
    "overhead": Kind.OVERHEAD,
    "kernel": Kind.KERNEL,
    "gpu_memcpy": Kind.MEMCPY,
    "gpu_memset": Kind.MEMSET,
    "cuda_sync": Kind.WAIT,
    "cuda_event": Kind.EVENT_RECORD,
    "gpu_user_annotation": Kind.GPU_ANNOTATION,
    "Operator": Kind.TORCH_OP,
    "Runtime": Kind.CUDA_CALL,
    "Kernel": Kind.KERNEL,
    "Memcpy": Kind.MEMCPY,
    "Memset": Kind.MEMSET,
}
"""Kineto's categories (`ActivityType.h`), and at the end those of torch 1.8 to 1.12."""
_kind_of = {category: int(kind) for category, kind in _KINDS.items()}.get
_WITHOUT_MEANING = ("Trace", "cpu_instant_event", "external_correlation", "hardware_counters", "ac2g", "fwdbwd", "")
_ON_STREAMS = (*DEVICE_WORK, Kind.EVENT_RECORD, Kind.WAIT)
_WAIT_KINDS = {
    "Stream Wait Event": WaitKind.STREAM_WAIT_EVENT,
    "Event Sync": WaitKind.EVENT_SYNC,
    "Stream Sync": WaitKind.STREAM_SYNC,
    "Context Sync": WaitKind.DEVICE_SYNC,
}
_INT64_MAX = (1 << 63) - 1
_GRID_DIMENSIONS = 3
_EXACT_BELOW_US = 1 << 43
"""Below 101 days a float holds microseconds with three decimals to half a nanosecond."""

_Int32 = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
_Int64 = Annotated[int, msgspec.Meta(ge=-_INT64_MAX, le=_INT64_MAX)]


_IntOrText = TypeVar("_IntOrText", int, int | str)


class _Args(msgspec.Struct, gc=False):
    """Of the arguments that one kind of span has, some mean something else in another: Triton writes a `grid` that is
    text, AMD a `stream` that is an address."""

    correlation: _Int64 = NONE
    external: _Int64 = msgspec.field(default=NONE, name="External id")
    device: _Int32 | str = NONE
    in_device: _Int32 | str = msgspec.field(default=NONE, name="inDevice")
    """Of copies from one GPU to another, which have no `device`: where they ran."""
    stream: _Int64 | str = NONE
    bytes: _Int64 | str = NONE
    grid: list[int] | str = []
    graph: _Int64 = msgspec.field(default=NONE, name="graph id")
    cuda_sync_kind: str = ""
    wait_on_stream: _Int64 = NONE
    wait_on_cuda_event_record_corr_id: _Int64 = NONE
    wait_on_cuda_event_id: _Int64 = NONE


class _Complete(msgspec.Struct, gc=False, tag_field="ph", tag="X"):
    name: str = ""
    cat: str = ""
    ts: float = math.nan
    dur: float = 0.0
    pid: int | str = NONE
    tid: int | str = NONE
    args: _Args | None = None


class _CompleteExact(_Complete, gc=False, tag_field="ph", tag="X"):
    """Microseconds since 1970 with decimals have more digits than a float. Huawei's torch_npu writes times as text."""

    ts: Decimal = Decimal("NaN")  # type: ignore[assignment]
    dur: Decimal = Decimal(0)  # type: ignore[assignment]


class _Instant(msgspec.Struct, gc=False, tag_field="ph", tag="i"):
    name: str = ""


def _phase(tag: str) -> type[msgspec.Struct]:
    return msgspec.defstruct(f"_Phase{ord(tag)}", [], tag_field="ph", tag=tag, gc=False)


_TIMELESS = tuple(_phase(tag) for tag in "stfMCPNODI")
_FOREIGN = tuple(_phase(tag) for tag in "BEbenTpFRcvV")
_EXPECTED = {_Complete, _CompleteExact, *_TIMELESS}
_IS_COMPLETE: dict[type, bool] = defaultdict(bool, {_Complete: True, _CompleteExact: True})
_CLOSING = "Record Window End"
_OTHERS = (_Instant, *_TIMELESS, *_FOREIGN)
_DECODER, _EXACT_DECODER = (
    msgspec.json.Decoder(list[reduce(or_, (complete, *_OTHERS))])  # type: ignore[misc]
    for complete in (_Complete, _CompleteExact)
)
_NO_ARGS = _Args()
_NO_GRID = [0, 0, 0]


def decode_events(text: bytes) -> list[msgspec.Struct]:
    """A JSON array of events. Raises msgspec's errors, UnicodeDecodeError, RecursionError."""
    try:
        events: list[msgspec.Struct] = _DECODER.decode(text)
    except msgspec.ValidationError:
        return _EXACT_DECODER.decode(text)  # type: ignore[no-any-return]
    first = next((event for event in events if isinstance(event, _Complete)), None)
    if first is not None and first.ts >= _EXACT_BELOW_US:
        return _EXACT_DECODER.decode(text)  # type: ignore[no-any-return]
    return events


class EventColumns:
    """Columns of complete events, gathered chunk by chunk, so that only one chunk's events exist as objects.

    `of_all` has a row for each event; `of_streams` for each on a stream, `of_work` for each piece of device work,
    `of_waits` for each synchronisation record, with its row in `of_all` as `index`.
    """

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.places: dict[tuple[int | str, int | str], int] = {}
        """(pid, tid) of the events, numbered."""
        self.of_all = Columns(
            row=np.int32, kind=np.uint8, start_ns=np.int64, duration_ns=np.int64, name=np.int32, place=np.int32,
            correlation=np.int64, external=np.int64,
        )  # fmt: skip
        self.of_streams = Columns(index=np.int32, device=np.int32, stream=np.int64)
        self.of_work = Columns(index=np.int32, size_bytes=np.int64, blocks=np.int64, graph=np.int64)
        self.of_waits = Columns(
            index=np.int32, kind=np.uint8, waited_stream=np.int64, record_correlation=np.int64, event=np.int64
        )
        self.rows = 0
        """Events of any kind."""
        self.impossible = 0
        """Events whose time no trace can have."""
        self.backwards = 0
        """Events that end before they begin; they count as of no length."""
        self.foreign = 0
        """Events of phases that torch does not write: what they show is missing."""
        self.unknown: Counter[str] = Counter()
        """Spans of categories that are not understood, such as those of other accelerators."""
        self.is_relative = False
        """Whether times are since a base, and not since 1970."""
        self.recognised = False
        """Whether there was an event that only Kineto writes."""
        self.is_complete = False
        """Whether Kineto's closing mark was there."""

    def add(self, events: Sequence[msgspec.Struct | None]) -> None:
        """Take the events of one chunk; None stands for one that could not be read."""
        first, self.rows = self.rows, self.rows + len(events)
        is_complete = bytes(map(_IS_COMPLETE.__getitem__, map(type, events)))
        complete: list[_Complete] = list(compress(events, is_complete))  # type: ignore[arg-type]
        if not _EXPECTED.issuperset(map(type, events)):
            self.foreign += sum(isinstance(event, _FOREIGN) for event in events)
            self.is_complete |= any(isinstance(event, _Instant) and event.name == _CLOSING for event in events)
        rows = (np.flatnonzero(np.frombuffer(is_complete, np.bool_)) + first).astype(np.int32)
        kinds = np.frombuffer(bytes([_kind_of(event.cat, _LEFT_OUT) for event in complete]), np.uint8)
        start_ns, possible = _start_ns(complete)
        kept = np.flatnonzero((kinds != _LEFT_OUT) & possible)
        if len(kept) < len(complete):
            self._count_left_out([complete[at] for at in np.flatnonzero(kinds == _LEFT_OUT).tolist()])
            self.impossible += int((~possible & (kinds != _LEFT_OUT)).sum())
            complete = [complete[at] for at in kept.tolist()]
        self._add_complete(complete, rows[kept], kinds[kept], start_ns[kept])

    def _count_left_out(self, events: list[_Complete]) -> None:
        categories = Counter(event.cat for event in events)
        self.recognised |= "Trace" in categories
        self.unknown += Counter({name: count for name, count in categories.items() if name not in _WITHOUT_MEANING})

    def _add_complete(self, events: list[_Complete], rows: Int32s, kinds: UInt8s, start_ns: Int64s) -> None:
        names, places = self.names, self.places
        duration_us = np.array([event.dur for event in events], np.float64)
        self.backwards += int((duration_us < 0).sum())
        self.is_relative |= bool((start_ns < _EXACT_BELOW_US * 1000).any())
        args = [event.args or _NO_ARGS for event in events]
        first = len(self.of_all)
        self.of_all.add(
            row=rows,
            kind=kinds,
            start_ns=start_ns,
            duration_ns=_exact_ns(np.clip(duration_us, 0, LIMIT_NS / 1000)),
            name=[names.setdefault(event.name, len(names)) for event in events],
            place=[places.setdefault((event.pid, event.tid), len(places)) for event in events],
            correlation=[arg.correlation for arg in args],
            external=[arg.external for arg in args],
        )
        on_stream = np.flatnonzero(np.isin(kinds, _ON_STREAMS))
        of_streams = [args[at] for at in on_stream.tolist()]
        self.of_streams.add(
            index=on_stream + first,
            device=_numbers([arg.in_device if arg.device == NONE else arg.device for arg in of_streams], np.int32),
            stream=_numbers([_resolved(arg.stream) for arg in of_streams], np.int64),
        )
        work = np.flatnonzero(np.isin(kinds, DEVICE_WORK))
        of_work = [args[at] for at in work.tolist()]
        self.of_work.add(
            index=work + first,
            size_bytes=np.where(kinds[work] == Kind.KERNEL, 0, _numbers([arg.bytes for arg in of_work], np.int64)),
            blocks=_products([arg.grid or _NO_GRID for arg in of_work]),
            graph=[arg.graph or NONE for arg in of_work],
        )
        waits = [at for at in np.flatnonzero(kinds == Kind.WAIT).tolist() if args[at].cuda_sync_kind in _WAIT_KINDS]
        of_waits = [args[at] for at in waits]
        self.of_waits.add(
            index=np.array(waits, np.int32) + first,
            kind=[_WAIT_KINDS[arg.cuda_sync_kind] for arg in of_waits],
            waited_stream=[_resolved(arg.wait_on_stream) for arg in of_waits],
            record_correlation=[_resolved(arg.wait_on_cuda_event_record_corr_id) for arg in of_waits],
            event=[arg.wait_on_cuda_event_id for arg in of_waits],
        )


def _products(grids: list[list[int] | str]) -> Int64s:
    """Blocks of each grid; 0 for what has none, or one that no GPU has."""
    try:
        return np.array([x * y * z for x, y, z in grids], np.int64)  # type: ignore[operator, str-unpack]
    except (ValueError, TypeError, OverflowError):
        return np.array([_blocks(grid) for grid in grids], np.int64)


def _blocks(grid: list[int] | str) -> int:
    if not grid or isinstance(grid, str) or len(grid) > _GRID_DIMENSIONS:
        return 0
    return max(min(prod(grid), _INT64_MAX), 0)


def _numbers(values: list[int | str], dtype: type[np.int32 | np.int64]) -> NDArray[np.int32 | np.int64]:
    """AMD's profiler writes some numbers as text, in decimal or in hexadecimal digits."""
    try:
        return np.array(values, dtype)
    except (ValueError, OverflowError):
        most = np.iinfo(dtype).max
        return np.array([_number(value, most) for value in values], dtype)


def _number(value: int | str, most: int) -> int:
    try:
        number = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        return NONE
    return number if abs(number) <= most else NONE


def _resolved(value: _IntOrText) -> _IntOrText:
    """Kineto writes what there is none of as -1, or as that in 32 unsigned bits."""
    return NONE if value in (-1, 0xFFFFFFFF) else value


def _start_ns(events: list[_Complete]) -> tuple[Int64s, Bools]:
    """Starts, and whether each event has times that a trace can have: numbers, and not in the year 9999.

    Nothing is computed with a time before that is known: text can name a NaN that signals, and 1e999999999.
    """
    if _CompleteExact in set(map(type, events)):
        times = [Decimal(event.ts) for event in events]
        most, lengths = LIMIT_NS // 1000, (Decimal(event.dur) for event in events)
        possible = np.array(
            [
                time.is_finite() and length.is_finite() and -most < time < most
                for time, length in zip(times, lengths, strict=True)
            ],
            np.bool_,
        )
        return np.array(
            [round(time * 1000) if ok else 0 for time, ok in zip(times, possible, strict=True)], np.int64
        ), possible
    times_us = np.array([event.ts for event in events], np.float64)
    possible = np.abs(times_us) < LIMIT_NS / 1000
    return _exact_ns(np.where(possible, times_us, 0.0)), possible


def _exact_ns(time_us: NDArray[np.float64]) -> Int64s:
    """Microseconds with three decimals as whole nanoseconds: the product would round a second time."""
    whole_us = np.floor(time_us)
    return whole_us.astype(np.int64) * 1000 + np.rint((time_us - whole_us) * 1000).astype(np.int64)
