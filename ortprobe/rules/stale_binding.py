"""An IOBinding was used with a session other than the one it was made for.

What it is
    An IOBinding belongs to one C session. `set_providers` replaces the C session, and a binding made before it still
    points at the old one.

Why it matters
    ORT 1.30 and later raise `ValueError: IOBinding must be used with the session that created it.` Up to 1.29 the
    binding refers to freed memory: crashes, hangs, and results that look right were all measured. A forgotten binding
    also keeps the old session with its weights and its GPU memory alive.

Evidence
    A hooked `run_with_iobinding` whose binding was made for another session, whether it raised or not.

Cost
    None that can be stated in time: the run fails, or its results can't be trusted.

Fix
    After `set_providers`, make the binding again (`binding = session.io_binding()`) and bind every input and output.

When it is wrong
    Never, where the hooks saw both the making of the binding and the run.

Source
    onnxruntime 1.31.1, `onnxruntime_inference_collection.py`, `IOBinding.__init__` and `run_with_iobinding`; runs with
    1.20.1 to 1.32.0.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited, distinct_sites, hook_rows, passed_unless_unseen, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import NONE, Timeline

_FIX = """\
Make the binding after the last `set_providers`, and bind everything again:
    binding = session.io_binding()
    binding.bind_input(...)
    binding.bind_output(...)"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(
            why="only the hook log says which binding was used with which session", evidence_missing=True
        )
    made = _session_of_binding(timeline)
    runs = [row for row in hook_rows(timeline, "run_with_iobinding").tolist() if timeline.hooks.binding[row] != NONE]
    if not runs:
        return NotApplicable(why="the program made no run with an IOBinding", evidence_missing=False)
    stale = [row for row in runs if _is_stale(timeline, made, row)]
    return _finding(timeline, made, stale) if stale else passed_unless_unseen(analyses)


def _session_of_binding(timeline: Timeline) -> dict[int, tuple[int, int]]:
    """Binding → (session it was made for, hook row)."""
    hooks = timeline.hooks
    rows = hook_rows(timeline, "io_binding").tolist()
    return {int(hooks.binding[row]): (int(hooks.session[row]), row) for row in rows}


def _is_stale(timeline: Timeline, made: dict[int, tuple[int, int]], row: int) -> bool:
    session, _ = made.get(int(timeline.hooks.binding[row]), (NONE, NONE))
    return NONE not in (session, int(timeline.hooks.session[row])) and session != timeline.hooks.session[row]


def _finding(timeline: Timeline, made: dict[int, tuple[int, int]], stale: list[int]) -> Finding:
    hooks = timeline.hooks
    makings = [made[int(hooks.binding[row])][1] for row in stale]
    failed = int(hooks.failed[stale].sum())
    runs = "1 run" if len(stale) == 1 else f"{len(stale)} runs"
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title=f"{runs} used an IOBinding of a session that had been replaced; {failed} of them raised",
        detail="The binding was made for an earlier C session. ORT 1.30 and later refuse it; up to 1.29 it refers to "
        "freed memory, and a result that looks right can't be trusted.",
        count=len(stale),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_hook(timeline, row) for row in [*stale, *makings]),
        evidence=cited([int(span) for span in hooks.span[[*stale, *makings]]]),
        fix=_FIX,
    )


RULE = Rule(code="S2", name="stale_binding", severity=Severity.ERROR, check=check, fix=_FIX)
