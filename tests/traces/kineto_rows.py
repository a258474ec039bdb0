"""The rows of a torch trace as Kineto writes them, and the ways in which its versions lay a file out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random

Event = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of `traceEvents`. Its times are Unix epoch ns; the file's are µs after its base."""

    event: Event
    """All but the times, in Kineto's order of the keys."""
    start_ns: int | None
    duration_ns: int | None = None


class Layout(Enum):
    KINETO = "kineto"
    """Several lines for each event, keys grouped on them (torch 2.5 to 2.11)."""
    INDENTED = "indented"
    """One key on a line (torch 2.12)."""
    COMPACT = "compact"
    """No blank anywhere, one line (torch's Python exporter, 2.13)."""


class BasePlace(Enum):
    BEFORE = "before"
    AFTER = "after"
    """Behind the events: torch 2.5 and 2.6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLayout:
    """How a file is written, whatever is in it."""

    layout: Layout = Layout.COMPACT
    base_place: BasePlace = BasePlace.BEFORE
    base_ns: int = 0
    is_compressed: bool = False
    shuffle: int = 0
    """0: in the order of the rows. Otherwise the seed of another order."""
    has_window_end: bool = True
    kept_share: float = 1.0
    """Below 1 the file is cut off there."""
    head: Event = field(default_factory=dict)
    """Further keys in front of the events."""


def complete(
    cat: str, name: str, start_ns: int, duration_ns: int, pid: int | str, tid: int | str, args: Event
) -> Row:  # fmt: skip
    event: Event = {"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "args": args}
    return Row(event=event, start_ns=start_ns, duration_ns=duration_ns)


def call_row(
    name: str, start_ns: int, duration_ns: int, *, process: int, thread: int, correlation: int, external: int = 0,
    cbid: int = 1,
) -> Row:  # fmt: skip
    args = _external(external) | {"cbid": cbid, "correlation": correlation}
    return complete("cuda_runtime", name, start_ns, duration_ns, process, thread, args)


def work_row(
    cat: str, name: str, start_ns: int, duration_ns: int, *, device: int, stream: int, correlation: int,
    external: int = 0, grid: Sequence[int] = (), size_bytes: int | None = None, graph: int | None = None,
) -> Row:  # fmt: skip
    """A kernel, copy or fill: `cat` is `kernel`, `gpu_memcpy` or `gpu_memset`."""
    args = _external(external) | {"device": device, "context": 1, "stream": stream, "correlation": correlation}
    if grid:
        args |= {"grid": list(grid), "block": [256, 1, 1]}
    if size_bytes is not None:
        args |= {"bytes": size_bytes}
    if graph is not None:
        args |= {"graph id": graph}
    return complete(cat, name, start_ns, duration_ns, device, stream, args)


def sync_row(
    kind: str, start_ns: int, duration_ns: int, *, correlation: int, device: int = 0, stream: int = -1,
    waited_stream: int = -1, record: int = -1, event: int = 1, tid_offset: int = 0,
) -> Row:  # fmt: skip
    """`kind` as Kineto writes it: Stream Wait Event, Event Sync, Stream Sync or Context Sync."""
    args: Event = {"cuda_sync_kind": kind, "stream": stream, "correlation": correlation, "device": device, "context": 1}
    if kind in ("Stream Wait Event", "Event Sync"):
        args |= {
            "wait_on_stream": waited_stream, "wait_on_cuda_event_record_corr_id": record, "wait_on_cuda_event_id": event
        }  # fmt: skip
    # Kineto writes the absolute value of a stream that is none (`sanitizeTid`).
    tid = tid_offset + stream if stream >= 0 else 1
    return complete("cuda_sync", kind, start_ns, duration_ns, device, tid, args)


def event_row(start_ns: int, *, event: int, device: int, stream: int, correlation: int) -> Row:
    args: Event = {"event_id": event, "stream": stream, "correlation": correlation, "device": device, "context": 1}
    return complete("cuda_event", "cudaEvent", start_ns, 1, device, stream, args)


def flow_row(phase: str, start_ns: int, *, correlation: int, pid: int, tid: int) -> Row:
    """An arrow from a call to its work: phase `s` at the call, `f` at the work."""
    event: Event = {"ph": phase, "id": correlation, "pid": pid, "tid": tid, "cat": "ac2g", "name": "ac2g"}
    return Row(event=event | ({"bp": "e"} if phase == "f" else {}), start_ns=start_ns)


def metadata_row(name: str, start_ns: int, pid: int, tid: int, args: Event) -> Row:
    return Row(event={"name": name, "ph": "M", "pid": pid, "tid": tid, "args": args}, start_ns=start_ns)


def profiler_row(start_ns: int, duration_ns: int) -> Row:
    """The span of the profiler itself, which every trace holds."""
    args: Event = {"Op count": 0}
    return complete("Trace", "PyTorch Profiler (0)", start_ns, duration_ns, "Spans", "PyTorch Profiler", args)


def window_end_row(start_ns: int) -> Row:
    event: Event = {"name": "Record Window End", "ph": "i", "s": "g", "pid": "", "tid": ""}
    return Row(event=event, start_ns=start_ns)


def order_of(count: int, shuffle: int) -> list[int]:
    """The numbers below `count` in the order in which rows are written."""
    order = list(range(count))
    if shuffle:
        Random(shuffle).shuffle(order)
    return order


def write_rows(path: Path, rows: Sequence[Row], layout: TraceLayout) -> None:
    """Write a trace of these rows, in this order."""
    base = f'"baseTimeNanoseconds":{layout.base_ns}'
    head = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in layout.head.items()]
    events = ",\n".join(_text(row, layout) for row in rows)
    if layout.layout is Layout.COMPACT:
        events = ",".join(_text(row, layout) for row in rows)
    members = ['"schemaVersion":1', *head, f'"traceEvents":[{events}]', f'"traceName":{json.dumps(str(path))}']
    members.insert(1 if layout.base_place is BasePlace.BEFORE else len(members) - 1, base)
    separator = "," if layout.layout is Layout.COMPACT else ",\n  "
    write_content(path, "{" + separator.join(members) + "}", layout.is_compressed, layout.kept_share)


def write_content(path: Path, text: str, is_compressed: bool, kept_share: float = 1.0) -> None:
    """Write a trace's text; of a share below 1 only so much of it, as a process that was killed does."""
    content = text.encode()
    content = content[: int(len(content) * kept_share)] if kept_share < 1 else content
    path.write_bytes(gzip.compress(content, 1) if is_compressed else content)


def _text(row: Row, layout: TraceLayout) -> str:
    fields = {key: json.dumps(value, separators=_SEPARATORS[layout.layout]) for key, value in row.event.items()}
    args = {"args": fields.pop("args")} if "args" in fields else {}
    if row.start_ns is not None:
        fields["ts"] = _microseconds(row.start_ns - layout.base_ns)
    if row.duration_ns is not None:
        fields["dur"] = _microseconds(row.duration_ns)
    members = [f'"{key}":{value}' for key, value in (fields | args).items()]
    if layout.layout is Layout.COMPACT:
        return "{" + ",".join(members) + "}"
    if layout.layout is Layout.INDENTED:
        return "{\n    " + ",\n    ".join(members) + "\n  }"
    spaced = [member.replace(":", ": ", 1) for member in members]
    times = next((at for at, member in enumerate(members) if member.startswith('"ts"')), len(spaced))
    lines = [spaced[:times], spaced[times : len(spaced) - len(args)], spaced[len(spaced) - len(args) :]]
    return "  {\n    " + ",\n    ".join(", ".join(line) for line in lines if line) + "\n  }"


_SEPARATORS = {Layout.KINETO: (", ", ": "), Layout.INDENTED: (", ", ": "), Layout.COMPACT: (",", ":")}


def _microseconds(time_ns: int) -> str:
    """Three decimals, always, as Kineto prints."""
    sign, time_ns = ("-", -time_ns) if time_ns < 0 else ("", time_ns)
    return f"{sign}{time_ns // 1000}.{time_ns % 1000:03d}"


def _external(external: int) -> Event:
    return {"External id": external} if external else {}
