"""What the rules about data that goes through the host have in common."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.bindings.host_trips import HostTrip, spent_ns
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cited, distinct_sites, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import HOST_TRIPS_SHARE
from ortprobe.units import format_ns, format_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one rule tells its trips."""

    title: str
    """With `{count}` in it."""
    severity: Severity
    fix: str


def trips_finding(analyses: Analyses, rule: Rule, trips: tuple[HostTrip, ...], words: Wording) -> Finding:
    """All trips as one finding; information where the copies hardly take any time, or nobody knows how much."""
    timeline, runs = analyses.timeline, {trip.run for trip in trips}
    cost_ns, pace_ns = spent_ns(timeline, trips), analyses.runs.period.median_ns or analyses.runs.median_ns
    is_dear = cost_ns is not None and bool(pace_ns) and cost_ns >= HOST_TRIPS_SHARE * (pace_ns or 0) * len(runs)
    work = [span for trip in trips for span in trip.work]
    detail = ["It is the very memory that was copied to the host that went to the GPU again, unchanged by numpy."]
    if cost_ns is not None and pace_ns:
        share = format_ratio(cost_ns, pace_ns * len(runs))
        detail.append(f"The copies took {format_ns(cost_ns)} on the device, {share} of these runs' time.")
    return Finding(
        code=rule.code,
        severity=words.severity if is_dear else Severity.INFO,
        title=words.title.format(count=f"{len(trips):,}"),
        detail=" ".join(detail),
        count=len(trips),
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_hook(timeline, trip.row) for trip in trips),
        evidence=cited([span for trip in trips for span in (int(timeline.hooks.span[trip.row]), *trip.work)]),
        fix=words.fix,
        over_runs=len(runs),
        paid=stretches((int(timeline.spans.start_ns[span]), int(timeline.spans.end_ns[span])) for span in work)
        if work
        else None,
    )
