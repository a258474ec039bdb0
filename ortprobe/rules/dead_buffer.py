"""A pointer was bound whose tensor is gone, or whose elements don't lie one after the other.

What it is
    `bind_input` and `bind_output` take an address. Nothing keeps the tensor alive that it came from: when that goes,
    torch gives the memory to the next one. And ORT reads the elements one after the other from there on, whatever
    strides the tensor had.

Why it matters
    The run reads, or writes over, what belongs to another tensor; or it reads the elements in another order.

Evidence
    The hook log: which storage a `data_ptr()` was of, whether that storage was still there when a run used it, and
    whether the tensor was contiguous when it was bound.

Cost
    None in time; the results are wrong.

Fix
    Keep the tensor for as long as it is bound, and bind contiguous ones.

When it is wrong
    A tensor without contiguous elements that the model is meant to read in the order of its memory.

Source
    ORT's `IOBinding.bind_input`; torch's caching allocator.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited, distinct_sites, hook_rows, passed_unless_unseen, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import NONE, Int64s, Timeline

_FIX = """\
Keep the tensor, and make it contiguous before its address is taken:
    x = batch.contiguous()
    binding.bind_input("x", "cuda", 0, np.float32, x.shape, x.data_ptr())
    session.run_with_iobinding(binding)   # x has to live until here"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what was bound", evidence_missing=True)
    binds = hook_rows(timeline, "bind_input", "bind_output")
    binds = binds[(timeline.hooks.read_address[binds] > 0) | (timeline.hooks.write_address[binds] > 0)]
    if not len(binds):
        return NotApplicable(why="the program bound no pointer", evidence_missing=False)
    dead = hook_rows(timeline, "dead_buffer")
    strided = binds[timeline.hooks.contiguous[binds] == 0]
    if len(dead) or len(strided):
        return _finding(timeline, dead, strided)
    of_tensors = int((timeline.hooks.contiguous[binds] != NONE).sum())
    if of_tensors < len(binds):
        why = f"which tensors {len(binds) - of_tensors} of {len(binds)} bound pointers belong to was not seen"
        return NotApplicable(why=why, evidence_missing=True)
    return passed_unless_unseen(analyses)


def _finding(timeline: Timeline, dead: Int64s, strided: Int64s) -> Finding:
    told = []
    if len(dead):
        told.append(f"{len(dead)} times a run used {_names(timeline, dead)}, whose tensor was gone")
    if len(strided):
        told.append(f"{_names(timeline, strided)} was bound from a tensor whose elements don't lie one after the other")
    rows = np.concatenate((dead, strided)).tolist()
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title="; ".join(told),
        detail="ORT was given an address and knows nothing of the tensor: it reads and writes what lies there, one "
        "element after the other.",
        count=len(rows),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_hook(timeline, row) for row in rows),
        evidence=cited([int(timeline.hooks.span[row]) for row in rows]),
        fix=_FIX,
    )


def _names(timeline: Timeline, rows: Int64s) -> str:
    names = dict.fromkeys(timeline.names[timeline.hooks.buffer[row]] for row in rows.tolist())
    return ", ".join(f"`{name}`" for name in names)


RULE = Rule(code="B4", name="dead_buffer", severity=Severity.ERROR, check=check, fix=_FIX)
