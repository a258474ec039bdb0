"""What makes the difference, as charts whose parts add up to it."""

from __future__ import annotations

from ortprobe.analysis.comparison.accounts import Account, Part
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.waterfall import Step, waterfall
from ortprobe.report.diff.diff_wording import account_basis, account_lines, session_name
from ortprobe.report.html.diff.places import Places
from ortprobe.report.run_wording import signed_ns
from ortprobe.timeline import NONE
from ortprobe.units import format_ns

_MOST_PARTS = 14


def explained_charts(comparison: Comparison, before: Places, after: Places) -> tuple[Chart, ...]:
    """Latency and pace of each session that ran on both sides; first of that whose runs take the most time."""
    both = [number for number, each in enumerate(comparison.sessions) if each.on_both_sides]
    both.sort(key=lambda number: number != comparison.main)
    charts = []
    for number in both:
        session = comparison.sessions[number]
        of = f" of {session_name(session.session)}" if len(both) > 1 else ""
        charts.append(_explained(f"latency-{number}", f"The mean run{of}", session.account, before, after))
        if session.pace_account is not None:
            title = f"From the start of a run{of} to that of the next, on the GPU"
            charts.append(_explained(f"pace-{number}", title, session.pace_account, before, after))
    return tuple(charts)


def _explained(key: str, title: str, account: Account | None, before: Places, after: Places) -> Chart:
    if account is None:
        return Chart(key, title, "Not measured: no runs of both sides tell what they consist of.", None)
    steps = [
        Step(label=line.name, difference_ns=line.more_ns, key=_key(account, line.part, before, after))
        for line in account_lines(account, _MOST_PARTS)
        if line.before_ns is not None and line.more_ns
    ]
    figure = waterfall(("before", account.before_ns), ("after", account.after_ns), steps)
    return Chart(key, title, _summary(account), figure)


def _summary(account: Account) -> str:
    text = (
        f"{format_ns(account.before_ns)} before and {format_ns(account.after_ns)} after "
        f"({signed_ns(account.more_ns)}), {account_basis(account)}."
    )
    if not account.beside_ns:
        return text
    return (
        f"{text} The runs that were judged, with less attached, differ by {signed_ns(account.stated_ns)}: "
        f"{signed_ns(account.beside_ns)} of that is in no part."
    )


def _key(account: Account, part: Part | None, before: Places, after: Places) -> str:
    """The mark of a part's node, after or before."""
    if part is None or part.pair == NONE:
        return ""
    pair = account.pairs[part.pair]
    return after.node(pair.after) or before.node(pair.before)
