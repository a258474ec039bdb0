"""What explains the difference, as a chart whose parts add up to it."""

from __future__ import annotations

from ortprobe.analysis.comparison.accounts import Account, Part
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.waterfall import Step, waterfall
from ortprobe.report.comparison_wording import part_text, session_text
from ortprobe.report.html.comparison.places import Places
from ortprobe.report.run_wording import attached_text, signed_ns
from ortprobe.timeline import NONE
from ortprobe.units import format_ns

_MOST_STEPS = 14
_TELLING = 0.01
"""What changes a run by less than this share of what all parts change it is summed up."""


def explained_charts(comparison: Comparison, before: Places, after: Places) -> tuple[Chart, ...]:
    """Latency and pace of each session that ran on both sides; first of that whose runs take the most time."""
    both = [number for number, each in enumerate(comparison.sessions) if each.on_both_sides]
    both.sort(key=lambda number: number != comparison.main)
    charts = []
    for number in both:
        session = comparison.sessions[number]
        of = f" of {session_text(session, number)}" if len(both) > 1 else ""
        charts.append(_explained(f"latency-{number}", f"The mean run{of}", session.account, before, after))
        if session.pace_account is not None:
            title = f"From the start of a run{of} to that of the next, on the GPU"
            charts.append(_explained(f"pace-{number}", title, session.pace_account, before, after))
    return tuple(charts)


def _explained(key: str, title: str, account: Account | None, before: Places, after: Places) -> Chart:
    if account is None:
        return Chart(key, title, "Not measured: no runs of both sides tell what they consist of.", None)
    steps = _steps(account, before, after)
    figure = waterfall(("before", account.before_ns), ("after", account.after_ns), steps)
    return Chart(key, title, _summary(account), figure)


def _steps(account: Account, *places: Places) -> list[Step]:
    """Those that tell, the largest first, and all others in one."""
    least_ns = _TELLING * sum(abs(each.more_ns) for each in account.parts)
    telling = [each for each in account.parts if each.more_ns and abs(each.more_ns) >= least_ns][:_MOST_STEPS]
    steps = [
        Step(label=part_text(account, each.part), difference_ns=each.more_ns, key=_key(account, each.part, *places))
        for each in telling
    ]
    rest = [each for each in account.parts if each.more_ns and each not in telling]
    if rest:
        what = "1 smaller change" if len(rest) == 1 else f"{len(rest):,} smaller changes"
        steps.append(Step(label=what, difference_ns=account.more_ns - sum(each.more_ns for each in telling)))
    return steps


def _summary(account: Account) -> str:
    counts = " and ".join(f"{count:,}" for count in account.runs)
    text = (
        f"{format_ns(account.before_ns)} before and {format_ns(account.after_ns)} after "
        f"({signed_ns(account.more_ns)}), over {counts} runs with {attached_text(account.attached)} attached."
    )
    if not account.beside_ns:
        return text
    return (
        f"{text} The verdict rests on the medians of runs with less attached, which differ by "
        f"{signed_ns(account.stated_ns)}: {signed_ns(account.beside_ns)} of that these parts don't account for."
    )


def _key(account: Account, part: Part, before: Places, after: Places) -> str:
    """The mark of a part's node, after or before."""
    if part.pair == NONE:
        return ""
    pair = account.pairs[part.pair]
    return after.node(pair.after) or before.node(pair.before)
