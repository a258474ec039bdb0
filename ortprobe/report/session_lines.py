"""What the dearest creation and the dearest first runs consisted of, and which sessions were held without use: lines of
text for the terminal and for Markdown."""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt, stated_sessions
from ortprobe.report.wording import CREATION_LABELS, stale_text
from ortprobe.rules.session_costs import (
    creation_items,
    first_run_items,
    growth_text,
    listed,
    runs_text,
    tuning_text,
)
from ortprobe.timeline import Session
from ortprobe.units import format_ns

TOP_STALE = 3


def session_lines(analyses: Analyses) -> list[str]:
    """One line each, none where the capture does not tell. Names in them are as the sources have them."""
    return [*_divisions(analyses), *_stale(analyses)]


def origin_text(session: Session) -> str:
    """`created by set_providers, replaced 0`: why a session came to life. Names in it are as the sources have them."""
    replaced = f", replaced {session.replaces}" if session.replaces is not None else ""
    inferred = " (inferred)" if session.replaces_is_inferred else ""
    failed = f", failed: {session.error}" if session.error else ""
    return f"{CREATION_LABELS[session.creation]}{replaced}{inferred}{failed}"


def _divisions(analyses: Analyses) -> list[str]:
    """How the dearest creation and the dearest first runs divide."""
    if doubt(analyses, Claim.LATENCY):
        return []
    lines = (_dearest_creation(analyses), _dearest_first_runs(analyses), _dearest_new_shapes(analyses))
    return [line for line in lines if line]


def _dearest_creation(analyses: Analyses) -> str:
    divided = [life.creation for life in analyses.sessions.lives if life.creation and life.creation.phases]
    if not divided:
        return ""
    cost = max(divided, key=lambda each: each.creation_ns)
    return f"creation of session {cost.session}, {format_ns(cost.creation_ns)}: {listed(creation_items(cost))}"


def _dearest_first_runs(analyses: Analyses) -> str:
    divided = [life for life in analyses.sessions.lives if life.first_runs.excess_ns and life.first_runs.divided]
    if not divided:
        return ""
    life = max(divided, key=lambda each: each.first_runs.excess_ns or 0)
    early = life.first_runs.early
    excess, runs = format_ns(life.first_runs.excess_ns), runs_text(life.first_runs)
    head = f"first {runs} of session {life.session.index}, +{excess} over steady"
    notes = [listed(first_run_items(early)), growth_text(early), tuning_text(analyses, early)]
    return f"{head}: {'; '.join(note for note in notes if note)}"


def _dearest_new_shapes(analyses: Analyses) -> str:
    """What runs with input shapes not seen before took over runs with shapes that had been."""
    costs = [cost for life in analyses.sessions.lives for cost in life.first_runs.new_shapes]
    known = [cost for cost in costs if cost.excess_ns is not None and cost.parts_ns is not None]
    if not known:
        return ""
    dearest = max(known, key=lambda each: each.excess_ns or 0)
    head = f"run {dearest.run}, with input shapes not seen before, +{format_ns(dearest.excess_ns)} over steady"
    others = f"; {len(costs):,} profiled runs had such shapes" if len(costs) > 1 else ""
    return f"{head}: {listed(first_run_items((dearest,)))}{others}"


def _stale(analyses: Analyses) -> list[str]:
    stale = stated_sessions(analyses).stale or ()
    dearest = sorted(stale, key=lambda each: -(each.held_ns or 0))
    more = [f"and {len(stale) - TOP_STALE} more sessions held without use"] if len(stale) > TOP_STALE else []
    return [*(stale_text(each) for each in dearest[:TOP_STALE]), *more]
