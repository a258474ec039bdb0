"""ORT's profiles and torch's traces without names. Names of kernels, of CUDA's functions and of op types stay.

Events keep their number and order, since reports refer to them by their place in the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from ortprobe.bundle.anonymous.pseudonyms import Pseudonyms

Event = dict[str, object]

_NUMBERS = ("ts", "dur", "id")
_LETTERS = ("ph", "bp", "s")
_NODE = re.compile(r"(?P<node>.*?)(?P<suffix>_kernel_time|_fence_before|_fence_after|)", re.DOTALL)
_SESSION_EVENT = re.compile(
    r"model_loading_[a-z_]+|session_initialization|model_run|SequentialExecutor::Execute|profile_truncated"
)
_ORT_NUMBER = re.compile(
    r"node_index|graph_index|exec_plan_index|(output|parameter|activation)_size|dropped_event_count"
    r"|mem_(arena_held|bytes_in_use|bytes_requested_in_use|in_use|requested_in_use)(_delta|_peak)?"
)
_NUMBER = re.compile(r"-?\d+")
_WORD = re.compile(r"[a-z0-9_]+|[a-z]+\([a-z0-9_]+\)")

_HEADER = (
    "schemaVersion", "deviceProperties", "cupti_version", "cuda_runtime_version", "cuda_driver_version",
    "displayTimeUnit", "baseTimeNanoseconds",
)  # fmt: skip
_NAMED_BY_LIBRARIES = (
    "kernel", "gpu_memcpy", "gpu_memset", "cuda_runtime", "cuda_driver", "overhead", "cuda_sync", "cuda_event", "ac2g",
    "fwdbwd",
)  # fmt: skip
_MARKS = ("Record Window End", "Iteration Start: PyTorch Profiler", "PyTorch Profiler (0)")
_ROWS = ("process_name", "process_labels", "process_sort_index", "thread_name", "thread_sort_index")
_ROW_NAME = re.compile(r"(stream|thread|Device|GPU) -?\d+|CPU|python")
_ARGUMENTS = frozenset(
    (
        "External id", "correlation", "device", "stream", "context", "bytes", "memory bandwidth (GB/s)", "queued",
        "grid", "block", "registers per thread", "shared memory", "blocks per SM", "warps per SM", "graph id",
        "est. achieved occupancy %", "graph node id", "priority", "cbid", "event_id", "wait_on_stream",
        "wait_on_cuda_event_record_corr_id", "wait_on_cuda_event_id", "fromDevice", "inDevice", "toDevice",
        "Ev Idx", "Sequence number", "Fwd thread id", "Record function id", "Python id", "Python parent id",
        "Python module id", "Python thread", "Op count", "sort_index", "Input Dims", "Input Strides", "Addr", "Bytes",
        "Total Allocated", "Total Reserved", "Device Type", "Device Id",
    )
)  # fmt: skip
_CATEGORIES = frozenset(
    (
        *_NAMED_BY_LIBRARIES, "cpu_op", "user_annotation", "gpu_user_annotation", "python_function", "Trace",
        "cpu_instant_event", "Session", "Node", "Kernel", "Api",
    )
)  # fmt: skip
_SYNC_KINDS = ("Event Sync", "Stream Wait Event", "Stream Sync", "Context Sync")


def anonymous_trace(raw: bytes, known: Pseudonyms) -> bytes:
    """An ORT profile or a torch trace without names.

    Raises:
        ValueError: it is neither, or damaged.
    """
    if raw.lstrip()[:1] == b"[":
        return _events(raw, lambda event: _ort_event(event, known))
    trace = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    if "traceEvents" not in trace:
        raise ValueError("is no trace")
    header = [f'"{key}":'.encode() + bytes(trace[key]) for key in _HEADER if key in trace]
    events = _events(trace["traceEvents"], lambda event: _torch_event(event, known))
    return b"{" + b",".join((*header, b'"traceEvents":' + events)) + b"}"


def _events(raw: bytes | msgspec.Raw, convert: Callable[[Event], Event]) -> bytes:
    """One event at a time: as Python objects all of them together take ten times the memory."""
    decoder, encoder = msgspec.json.Decoder(Event), msgspec.json.Encoder()
    events = msgspec.json.decode(raw, type=list[msgspec.Raw])
    return b"[" + b",\n".join(encoder.encode(convert(decoder.decode(event))) for event in events) + b"]"


def _ort_event(event: Event, known: Pseudonyms) -> Event:
    category, name = str(event.get("cat", "")), str(event.get("name", ""))
    kept = _common(event)
    if category == "Session":
        kept["name"] = name if _SESSION_EVENT.fullmatch(name) else known.of("session_event", name)
    elif category in ("Kernel", "Api"):
        kept["name"] = name
    else:
        match = _NODE.fullmatch(name)
        kept["name"] = known.of("node", match["node"]) + match["suffix"] if match else ""
    kept["args"] = _ort_arguments(_arguments(event), known)
    return kept


def _ort_arguments(arguments: Mapping[str, object], known: Pseudonyms) -> Event:
    kept: Event = {}
    for key, value in arguments.items():
        if key == "op_name":
            kept[key] = value
        elif key == "provider":
            kept[key] = known.provider(str(value))
        elif key in ("input_type_shape", "output_type_shape") and isinstance(value, list):
            kept[key] = [_shape(one) for one in value]
        elif _ORT_NUMBER.fullmatch(key) and isinstance(value, str) and _NUMBER.fullmatch(value):
            kept[key] = value
    return kept


def _shape(shape: object) -> Event:
    """`{"float": [1, 3]}` as it is, as far as it is that."""
    pairs = shape.items() if isinstance(shape, dict) else ()
    return {key: value for key, value in pairs if _WORD.fullmatch(key) and _is_numeric(value)}


def _torch_event(event: Event, known: Pseudonyms) -> Event:
    kept = _common(event)
    kept["name"] = _torch_name(str(event.get("cat", "")), str(event.get("name", "")), known)
    arguments = _arguments(event)
    kept_arguments = {key: value for key, value in arguments.items() if key in _ARGUMENTS and _is_numeric(value)}
    if arguments.get("cuda_sync_kind") in _SYNC_KINDS:
        kept_arguments["cuda_sync_kind"] = arguments["cuda_sync_kind"]
    for key in ("name", "labels"):
        named = _ROW_NAME.match(str(arguments.get(key, "")))
        if named and kept["name"] in _ROWS:
            kept_arguments[key] = named[0]
    if "args" in event:
        kept["args"] = kept_arguments
    return kept


def _torch_name(category: str, name: str, known: Pseudonyms) -> str:
    if category in _NAMED_BY_LIBRARIES or name in _MARKS or (not category and name in _ROWS):
        return name
    if category == "cpu_op":
        return known.torch_op(name)
    return known.of("function", name) if category == "python_function" else known.annotation(name)


def _common(event: Event) -> Event:
    kept: Event = {key: event[key] for key in _LETTERS if key in event and len(str(event[key])) == 1}
    if event.get("cat") in _CATEGORIES:
        kept["cat"] = event["cat"]
    elif event.get("cat"):
        kept["cat"] = "other"
    kept |= {key: event[key] for key in _NUMBERS if key in event and _is_numeric(event[key])}
    return kept | {key: value if isinstance(value := event[key], int) else "" for key in ("pid", "tid") if key in event}


def _is_numeric(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_numeric, value))
    return value is None or isinstance(value, int | float)


def _arguments(event: Event) -> Mapping[str, object]:
    arguments = event.get("args")
    return arguments if isinstance(arguments, dict) else {}
