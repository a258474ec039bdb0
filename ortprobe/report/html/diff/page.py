"""The page of a comparison as one file: figures side by side, both captures on one timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.session_matches import MatchedSession
from ortprobe.report.diff.diff_verdict import diff_verdict
from ortprobe.report.html.alignment import Alignment, align, stretch_from
from ortprobe.report.html.diff.charts import explained_charts
from ortprobe.report.html.diff.findings import grouped_findings, problems_of
from ortprobe.report.html.diff.places import Places
from ortprobe.report.html.diff.sections import (
    changed_surroundings,
    facts_of_both,
    laid_over_text,
    measure_rows,
    session_facts,
    unsayable,
)
from ortprobe.report.html.diff.tables import comparison_tables
from ortprobe.report.html.page import BUDGET_BYTES, assembled
from ortprobe.report.html.payload import build_payload
from ortprobe.report.html.side import Side, numbered_apart, whole_page
from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding_changes import FindingChange


def render_diff_html(
    comparison: Comparison,
    findings: Sequence[FindingChange],
    judgements: tuple[Sequence[Judgement], Sequence[Judgement]],
    *,
    budget_bytes: int = BUDGET_BYTES,
) -> str:
    """The comparison as one HTML file that needs no network and no server.

    Args:
        judgements: the captures of both sides, before and after; the timeline shows the first of each.
        budget_bytes: what the timeline's marks take at most; the least important of both captures go first.
    """
    before, after = (side[0] for side in judgements)
    alignment = _alignment(comparison, before, after)
    sides = _sides(before, after, alignment)
    aligned = [side.key(f"r{run}") for side, run in zip(sides, _runs(alignment), strict=False)]
    places = Places(sides[0]), Places(sides[1])
    return assembled(
        "diff.html",
        build_payload(sides, budget_bytes, aligned=aligned),
        explained_charts(comparison, *places),
        comparison_tables(comparison, *places),
        {
            "title": "before and after",
            "charts_title": "What makes the difference",
            "verdict": diff_verdict(comparison),
            "surroundings": changed_surroundings(comparison),
            "measures": measure_rows(comparison),
            "sessions": session_facts(comparison),
            "unsayable": unsayable(comparison),
            "findings": grouped_findings(findings, sides, judgements),
            "facts": facts_of_both(*sides),
            "laid_over": laid_over_text(*(_runs(alignment) or (None, None))),
            "events": sum(len(side.timeline.spans) for side in sides),
            "problems": [(side.label, problems_of(side)) for side in sides],
            "captures": (len(comparison.before), len(comparison.after)),
        },
    )


def _alignment(comparison: Comparison, before: Judgement, after: Judgement) -> Alignment | None:
    """The watched median runs of a session, that which takes the most time first; else any runs that can do."""
    numbered = [(number, each) for number, each in enumerate(comparison.sessions)]
    sessions = [each for _, each in sorted(numbered, key=lambda pair: (pair[0] != comparison.main, pair[0]))]
    for session in sessions:
        if session.median_runs is not None:
            return Alignment(before=session.median_runs[0], after=session.median_runs[1])
    pairs = [pair for session in sessions for pair in _c_sessions(session.session)]
    return align(before.analyses, after.analyses, pairs)


def _c_sessions(session: MatchedSession) -> Iterator[tuple[int, int]]:
    """Each of the first capture before with each of the first one after."""
    if session.before and session.after:
        yield from product(session.before.sessions[0], session.after.sessions[0])


def _sides(before: Judgement, after: Judgement, alignment: Alignment | None) -> tuple[Side, Side]:
    """Both captures, the second one shifted to lie over the first."""
    first, second = before.analyses, after.analyses
    if alignment is None:
        shift_ns = first.timeline.start_ns - second.timeline.start_ns
        views = whole_page(before).view_ns, whole_page(after).view_ns
    else:
        starts_ns = first.timeline.runs.start_ns[alignment.before], second.timeline.runs.start_ns[alignment.after]
        shift_ns = int(starts_ns[0] - starts_ns[1])
        views = stretch_from(first, alignment.before), stretch_from(second, alignment.after)
    sides = numbered_apart(
        (
            Side(judgement=before, label="before", view_ns=views[0]),
            Side(judgement=after, label="after", view_ns=views[1], shift_ns=shift_ns),
        )
    )
    return sides[0], sides[1]


def _runs(alignment: Alignment | None) -> tuple[int, ...]:
    return () if alignment is None else (alignment.before, alignment.after)
