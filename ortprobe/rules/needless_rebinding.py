"""The same buffers are bound again in every iteration.

What it is
    A binding keeps what it was bound to. `bind_input` and `bind_output` with the address of before change nothing.

Why it matters
    Each call takes the host some microseconds, more than a small model's launch.

Evidence
    The hook log: binds of a buffer under the name, the address, the size and the type that it was bound under for the
    run before, of the same session.

Cost
    How long these calls took, without what noting them took.

Fix
    Bind once, and put the next input into the bound tensor with `copy_`.

When it is wrong
    The shape differs and the size does not: the hooks note sizes.

Source
    onnxruntime 1.31.1, `IOBinding`: a binding holds one value for each name until it is bound or cleared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, hook_rows, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import REBINDING_DEAR_SHARE, REBINDING_NEEDED, REBINDING_SHARE
from ortprobe.timeline import NONE, Int64s, Timeline
from ortprobe.units import format_ns, format_ratio

_BINDS = ("bind_input", "bind_output", "bind_ortvalue_input", "bind_ortvalue_output")
_CLEARS = ("clear_binding_inputs", "clear_binding_outputs")

_FIX = """\
Bind once, and write into what is bound:
    + binding.bind_input("x", "cuda", 0, np.float32, x.shape, x.data_ptr())
    + binding.bind_output("y", "cuda", 0, np.float32, y.shape, y.data_ptr())
      for batch in batches:
          x.copy_(batch)
    -     binding.bind_input("x", "cuda", 0, np.float32, x.shape, x.data_ptr())
    -     binding.bind_output("y", "cuda", 0, np.float32, y.shape, y.data_ptr())
          session.run_with_iobinding(binding)"""


@dataclass(slots=True)
class _Bound:
    """What one name of a session is bound to."""

    to: tuple[int, ...]
    runs_before: int
    """How many runs the session had made by then."""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what was bound", evidence_missing=True)
    if not len(hook_rows(timeline, "run_with_iobinding")):
        return NotApplicable(why="the program made no run with an IOBinding", evidence_missing=False)
    if unseen := cant_tell(analyses, Claim.CALLS, Claim.LATENCY):
        return unseen
    again, runs = _bound_again(timeline)
    return _judge(analyses, again, runs) if runs >= REBINDING_NEEDED else Passed()


def _judge(analyses: Analyses, again: Int64s, runs: int) -> Outcome:
    timeline, pace_ns = analyses.timeline, analyses.runs.period.median_ns or analyses.runs.median_ns
    if pace_ns is None:
        return NotApplicable(why="too few runs were recorded to know what share the binds take", evidence_missing=True)
    spans = timeline.hooks.span[again]
    cost_ns = int((timeline.spans.end_ns[spans] - timeline.spans.start_ns[spans]).sum())
    if cost_ns < REBINDING_SHARE * pace_ns * runs:
        return Passed()
    return _finding(timeline, again, runs, cost_ns, pace_ns)


def _bound_again(timeline: Timeline) -> tuple[Int64s, int]:
    """(hook rows of the binds that changed nothing since the run before, how many runs came after such binds)."""
    hooks, names = timeline.hooks, timeline.names
    session_of, bound, runs = dict[int, int](), dict[tuple[int, int], _Bound](), dict[int, int]()
    again, waiting, runs_after = list[int](), set[int](), 0
    for row in hook_rows(timeline, "io_binding", *_BINDS, *_CLEARS, "run_with_iobinding").tolist():
        what, binding = names[hooks.what[row]], int(hooks.binding[row])
        if what == "io_binding":
            session_of[binding] = int(hooks.session[row])
        session = session_of.get(binding, NONE)
        if session == NONE or hooks.failed[row]:
            continue
        if what == "run_with_iobinding":
            runs[session] = runs.get(session, 0) + 1
            runs_after += session in waiting
            waiting.discard(session)
        elif what in _BINDS and hooks.buffer[row] != NONE:
            key, to = (session, int(hooks.buffer[row])), _bound_to(timeline, row)
            before, made = bound.get(key), runs.get(session, 0)
            if before is not None and before.to == to and to[0] > 0 and before.runs_before < made:
                again.append(row)
                waiting.add(session)
            bound[key] = _Bound(to=to, runs_before=made)
    return np.array(again, np.int64), runs_after


def _bound_to(timeline: Timeline, row: int) -> tuple[int, ...]:
    hooks = timeline.hooks
    columns = (hooks.write_address, hooks.write_bytes) if hooks.write_address[row] > 0 else (
        hooks.read_address, hooks.read_bytes)  # fmt: skip
    return *(int(column[row]) for column in columns), int(hooks.dtype[row])


def _finding(timeline: Timeline, again: Int64s, runs: int, cost_ns: int, pace_ns: int) -> Finding:
    hooks, spans = timeline.hooks, timeline.spans
    share, own = format_ratio(cost_ns, pace_ns * runs), hooks.span[again]
    names = dict.fromkeys(f"`{timeline.names[hooks.buffer[row]]}`" for row in again.tolist())
    named = f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if cost_ns >= REBINDING_DEAR_SHARE * pace_ns * runs else Severity.INFO,
        title=f"{named} bound to the same memory again before {runs:,} runs, which takes {share} of their time",
        detail=f"{len(again):,} calls took {format_ns(cost_ns)} on the host. A binding keeps what it is bound to.",
        count=len(again),
        cost_ns=cost_ns,
        confidence=Confidence.LIKELY,
        where=distinct_sites(site_of_hook(timeline, row) for row in again.tolist()),
        evidence=cited(own.tolist()),
        fix=_FIX,
        over_runs=runs,
        paid=stretches(zip(spans.start_ns[own].tolist(), spans.end_ns[own].tolist(), strict=True)),
    )


RULE = Rule(code="B7", name="needless_rebinding", severity=Severity.WARNING, check=check, fix=_FIX)
