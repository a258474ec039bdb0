"""A pointer was bound as elements of a type that its tensor does not have, or as more of them than it holds.

What it is
    `bind_input` and `bind_output` take an address, an element type and a shape. ORT compares type and shape with what
    the model wants, and refuses others. What really lies at the address it does not know.

Why it matters
    The bytes of one type are read as numbers of another, or memory behind the tensor is read and written. There is no
    error.

Evidence
    The torch tensor that was asked for the address: its element type, and how far its storage goes on from there,
    against the element type and the size that were bound. Bytes (`uint8`, `int8`, `bool`) stand for anything, a signed
    number for an unsigned one, and a complex one for two real ones.

Cost
    None in time; the results are wrong.

Fix
    Convert the tensor to the type that the model wants, and bind with the tensor's own type and shape.

When it is wrong
    Bits of one type that are handed on as those of another on purpose.

Source
    onnxruntime 1.32.0: another type or shape than the model's is refused when the session runs; the pointer is taken as
    it is.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.bindings.element_types import can_stand_for
from ortprobe.rules.evidence import cited, distinct_sites, hook_rows, passed_unless_unseen, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import NONE, Int64s, Timeline
from ortprobe.units import format_bytes

_FIX = """\
Convert the tensor to the model's type, and bind what it is:
    - binding.bind_input("x", "cuda", 0, np.float32, x.shape, x.data_ptr())
    + x = x.to(torch.float32).contiguous()
    + binding.bind_input("x", "cuda", 0, np.float32, x.shape, x.data_ptr())"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what was bound", evidence_missing=True)
    hooks = timeline.hooks
    binds = hook_rows(timeline, "bind_input", "bind_output")
    binds = binds[((hooks.read_address[binds] > 0) | (hooks.write_address[binds] > 0)) & ~hooks.failed[binds]]
    if not len(binds):
        return NotApplicable(why="the program bound no pointer", evidence_missing=False)
    another = np.array([row for row in binds.tolist() if not _fits_type(timeline, row)], np.int64)
    beyond = binds[(hooks.tensor_bytes[binds] > 0) & (_bound_bytes(timeline, binds) > hooks.tensor_bytes[binds])]
    if len(another) or len(beyond):
        return _finding(timeline, another, beyond)
    unknown = int((hooks.tensor_dtype[binds] == NONE).sum())
    if unknown:
        why = f"which tensors {unknown} of {len(binds)} bound pointers belong to was not seen"
        return NotApplicable(why=why, evidence_missing=True)
    return passed_unless_unseen(analyses)


def _fits_type(timeline: Timeline, row: int) -> bool:
    bound, own = int(timeline.hooks.dtype[row]), int(timeline.hooks.tensor_dtype[row])
    return NONE in (bound, own) or can_stand_for(timeline.names[own], timeline.names[bound])


def _bound_bytes(timeline: Timeline, rows: Int64s) -> Int64s:
    return np.maximum(timeline.hooks.read_bytes[rows], timeline.hooks.write_bytes[rows])


def _finding(timeline: Timeline, another: Int64s, beyond: Int64s) -> Finding:
    hooks, names = timeline.hooks, timeline.names
    told = list(dict.fromkeys(
        f"`{names[hooks.buffer[row]]}` is bound as {names[hooks.dtype[row]]}, and its tensor is "
        f"{names[hooks.tensor_dtype[row]]}" for row in another.tolist()
    ))  # fmt: skip
    for row, size in zip(beyond.tolist(), _bound_bytes(timeline, beyond).tolist(), strict=True):
        told.append(f"`{names[hooks.buffer[row]]}` is bound with {format_bytes(size)}, and its tensor's storage ends "
                    f"after {format_bytes(int(hooks.tensor_bytes[row]))}")  # fmt: skip
    rows = np.union1d(another, beyond).tolist()
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title="; ".join(dict.fromkeys(told)),
        detail="ORT was given an address, and reads and writes there what it was told is there.",
        count=len(rows),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_hook(timeline, row) for row in rows),
        evidence=cited([int(hooks.span[row]) for row in rows]),
        fix=_FIX,
    )


RULE = Rule(code="B5", name="bound_as_another_type", severity=Severity.ERROR, check=check, fix=_FIX)
