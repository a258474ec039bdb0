"""The trace of `h100-race/healthy` as other versions, vendors and tools would have written it.

What happened stays the same, so what is read must stay the same too, as far as the dialect can say it. Sources, by
dialect: traces of torch 1.8 and 1.9 in pytorch/kineto (`tb_plugin/samples`), of torch 2.0 to 2.3 and of an MI250 in
facebookresearch/HolisticTraceAnalysis (`tests/data`), of MI300s in AMD-AGI/TraceLens (`tests/traces`); kineto issues
105 and 1459; Ascend/pytorch issue 133.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from captures import RACE

Event = dict[str, Any]
Trace = dict[str, Any]
Dialect = Callable[[Trace], str]

OLD_CATEGORIES = {
    "cpu_op": "Operator", "cuda_runtime": "Runtime", "kernel": "Kernel", "gpu_memcpy": "Memcpy", "gpu_memset": "Memset",
}  # fmt: skip
ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")


def original() -> Trace:
    """The trace as torch 2.11 wrote it."""
    trace: Trace = json.loads(gzip.decompress((RACE / "healthy_kineto.json.gz").read_bytes()))
    return trace


def write(folder: Path, dialect: Dialect) -> Path:
    """The trace in that dialect."""
    path = folder / f"{dialect.__name__}.json"
    path.write_text(dialect(original()))
    return path


def absolute_ns(trace: Trace, event: Event) -> int:
    """Unix time of an event. Its times are of three decimals."""
    return int(trace["baseTimeNanoseconds"]) + round(event["ts"] * 1000)


def torch_1_8(trace: Trace) -> str:
    """A bare array, categories in capitals, thread ids as texts, whole µs since 1970, `external id`."""
    return json.dumps(_old_events(trace))


def torch_1_9(trace: Trace) -> str:
    """As 1.8, and in an object."""
    return json.dumps({"schemaVersion": 1, "traceEvents": _old_events(trace)})


def torch_2_2(trace: Trace) -> str:
    """Whole µs since 1970, and no base."""
    events = deepcopy(trace["traceEvents"])
    for event in events:
        event["ts"] = absolute_ns(trace, event) // 1000
        if "dur" in event:
            event["dur"] = int(event["dur"])
    return json.dumps({"schemaVersion": 1, "deviceProperties": trace["deviceProperties"], "traceEvents": events})


def torch_2_3(trace: Trace) -> str:
    """µs since 1970 with three decimals, which no float64 holds, and no base."""
    marks = {}
    events = deepcopy(trace["traceEvents"])
    for number, event in enumerate(events):
        time_ns = absolute_ns(trace, event)
        event["ts"] = f"@{number}@"
        marks[f'"@{number}@"'] = f"{time_ns // 1000}.{time_ns % 1000:03}"
    pieces = json.dumps({"schemaVersion": 1, "traceEvents": events}).split('"ts": ')
    return pieces[0] + "".join('"ts": ' + _replaced_head(piece, marks) for piece in pieces[1:])


def base_at_the_end(trace: Trace) -> str:
    """torch 2.4 to 2.6 say after the events what their times count from."""
    base_ns = trace.pop("baseTimeNanoseconds")
    return json.dumps({**trace, "baseTimeNanoseconds": base_ns})


def times_as_texts(trace: Trace) -> str:
    """`"ts": "123.456"`, as torch_npu writes."""
    for event in trace["traceEvents"]:
        event["ts"] = f"{event['ts']:.3f}"
    return json.dumps(trace)


def triton(trace: Trace) -> str:
    """Operators with a launch grid in text and a stream of their own, as Inductor annotates Triton's."""
    for event in trace["traceEvents"]:
        if event.get("cat") == "cpu_op":
            event["args"] |= {"grid": "grid(100,)", "stream": 0, "kernel_backend": "triton"}
    return json.dumps(trace)


def amd(trace: Trace) -> str:
    """Calls of HIP, with streams, pointers and sizes as texts; no context, no synchronisation records."""
    kept = [event for event in trace["traceEvents"] if event.get("cat") not in ("cuda_sync", "cuda_event", "overhead")]
    for event in kept:
        args = event.get("args", {})
        if event.get("cat") == "cuda_runtime":
            event["name"] = event["name"].replace("cuda", "hip")
            args["cid"] = args.pop("cbid")
            args |= {"stream": "0x0", "kind": "1", "src": "0x55674ecd4180", "bytes": "2560", "size": "2560"}
        elif event.get("cat") in ON_DEVICE:
            args.pop("context")
            args["kind"] = "Dispatch Kernel"
    versions = {"roctracer_version": 4.1, "hip_runtime_version": 60443483, "hip_driver_version": 60443483}
    return json.dumps({"schemaVersion": 1, **versions, "baseTimeNanoseconds": trace["baseTimeNanoseconds"],
                       "traceEvents": kept})  # fmt: skip


def infinite_bandwidth(trace: Trace) -> str:
    """Copies of no duration have an infinite bandwidth, written as C++ prints it."""
    text = json.dumps(trace)
    head, *copies = text.split('"memory bandwidth (GB/s)": ')
    words = ("inf", "-nan", "nan")
    return head + "".join(
        f'"memory bandwidth (GB/s)": {words[number % 3]}{copy[copy.index("}") :]}' for number, copy in enumerate(copies)
    )


def huge_numbers(trace: Trace) -> str:
    """Communicator ids beyond 63 bits among the arguments."""
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            event.setdefault("args", {})["Comms Id"] = 10159970886766084423
    return json.dumps(trace)


def unsigned_none(trace: Trace) -> str:
    """A wait for the whole device, on stream -1 as 32 bits without a sign: torch 2.0 to 2.2."""
    for event in trace["traceEvents"]:
        if event.get("cat") == "cuda_sync":
            event["args"] |= {name: 0xFFFFFFFF for name, value in event["args"].items() if value == -1}
            event["tid"] = event["tid"] if event["args"]["stream"] != 0xFFFFFFFF else -1
    return json.dumps(trace)


def foreign_events(trace: Trace) -> str:
    """Events of phases, and with members left out, that Kineto never writes, from tools that add to traces."""
    others: list[Event] = [
        {"ph": "B", "name": "begin", "pid": 1, "tid": 1, "ts": 1}, {"ph": "E", "pid": 1, "tid": 1, "ts": 2},
        {"ph": "b", "cat": "a", "id": "0x1", "name": "n", "pid": 1, "ts": 1}, {"ph": "e", "id": 1, "ts": 2},
        {"ph": "C", "name": "counter", "pid": 0, "ts": 1, "args": {"value": 1.5}}, {"ph": "N", "id": 1},
        {"ph": "D", "id": 1}, {"ph": "P", "name": "sample", "sf": 1, "weight": 1}, {"ph": "I", "name": "i", "ts": None},
        {"ph": "M", "name": "labels", "pid": "CPU", "args": None}, {"ph": "X", "cat": "mine", "name": None, "ts": "?"},
        {"name": "no phase"}, {},
    ]  # fmt: skip
    events = trace["traceEvents"]
    trace["traceEvents"] = [*others, *events[:100], *others, *events[100:], *others]
    return json.dumps(trace)


def indented(trace: Trace) -> str:
    """Every member on a line of its own."""
    return json.dumps(trace, indent=4)


def compact(trace: Trace) -> str:
    """No white space at all."""
    return json.dumps(trace, separators=(",", ":"))


def sorted_members(trace: Trace) -> str:
    """`args` first and `ph` in the middle, as other programs write that have read the trace."""
    return json.dumps(trace, sort_keys=True)


def two_ranks(trace: Trace) -> str:
    """Two processes of one program in one file, one second after another: the second numbers its calls as the first."""
    second = deepcopy(trace["traceEvents"])
    for event in second:
        event["ts"] += 1_000_000
        if isinstance(event["pid"], int):
            event["pid"] += 1 if 0 <= event["pid"] < 100 else 1000
        if "device" in event.get("args", {}):
            event["args"]["device"] += 1
    trace["traceEvents"] += second
    return json.dumps(trace)


def _old_events(trace: Trace) -> list[Event]:
    every = deepcopy(trace["traceEvents"])
    events = [event for event in every if event.get("cat") in OLD_CATEGORIES]
    for event in events:
        args = event["args"]
        event |= {"ts": absolute_ns(trace, event) // 1000, "dur": int(event["dur"])}
        event["tid"] = f"stream {args['stream']}" if event["cat"] in ON_DEVICE else str(event["tid"])
        if event["cat"] != "cpu_op":
            args["external id"] = args.pop("External id", 0)
        event["cat"] = OLD_CATEGORIES[event["cat"]]
    marks = [event for event in every if event.get("cat") == "Trace" or event["ph"] == "i"]
    for event in marks:
        event["ts"] = absolute_ns(trace, event) // 1000
    return [*events, *marks]


def _replaced_head(piece: str, marks: dict[str, str]) -> str:
    mark = piece[: piece.index('"', 1) + 1]
    return marks[mark] + piece[len(mark) :]
