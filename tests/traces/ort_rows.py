"""The rows of an ONNX Runtime profile as ORT 1.20 to 1.32 write them: times in whole µs, both truncated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from traces.kineto_rows import Event, write_content


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLayout:
    """How a profile is written, whatever is in it."""

    is_compressed: bool = False
    is_indented: bool = False
    shuffle: int = 0
    """0: by start, as ORT 1.27 and later. Otherwise the seed of another order."""
    has_fences: bool = False
    """`_fence_before` and `_fence_after` around each node: ORT 1.20."""
    kept_share: float = 1.0
    """Below 1 the file is cut off there."""


def session_row(name: str, start_us: int, duration_us: int, *, process: int, thread: int) -> Event:
    return _row("Session", name, start_us, duration_us, process, thread, {})


def node_row(
    name: str, start_us: int, duration_us: int, *, process: int, thread: int, op: str = "Conv",
    provider: str = "CUDAExecutionProvider", index: int = 0, shape: Sequence[int] = (), arena_bytes: int = 0,
) -> Event:  # fmt: skip
    args: Event = {"op_name": op, "provider": provider, "node_index": str(index), "output_size": "64"}
    if shape:
        args["input_type_shape"] = [{"float": list(shape)}]
    if arena_bytes:
        args["mem_arena_held_delta"] = str(arena_bytes)
    return _row("Node", f"{name}_kernel_time", start_us, duration_us, process, thread, args)


def fence_row(name: str, at_us: int, *, process: int, thread: int, which: str) -> Event:
    return _row("Node", f"{name}_fence_{which}", at_us, 0, process, thread, {"op_name": "Conv"})


def truncated_row(at_us: int, dropped: int, *, process: int, thread: int) -> Event:
    args: Event = {"max_num_events": "1000000", "dropped_event_count": str(dropped)}
    return _row("Session", "profile_truncated", at_us, 0, process, thread, args)


def write_profile(path: Path, rows: Sequence[Event], layout: ProfileLayout) -> None:
    """Write a profile of these rows, in this order."""
    text = json.dumps(list(rows), indent=1 if layout.is_indented else None)
    write_content(path, text, layout.is_compressed, layout.kept_share)


def _row(cat: str, name: str, start_us: int, duration_us: int, process: int, thread: int, args: Event) -> Event:
    return {
        "cat": cat, "pid": process, "tid": thread, "dur": duration_us, "ts": start_us, "ph": "X", "name": name,
        "args": args,
    }  # fmt: skip
