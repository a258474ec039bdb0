"""Putting ORT's profiles on the common clock, with the bound that the launches allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortprobe.ingest.clocks.align import Fit, ThreadIntervals, find_offset, fit_at, fit_in_brackets
from ortprobe.ingest.sources.ort_profile import OrtProfile
from ortprobe.timeline import ClockBound, ClockMethod, Problem, ProblemKind
from ortprobe.timeline.intervals import Intervals
from ortprobe.units import format_ns

_WITNESS_SHARE = 0.9
"""Of the launches inside runs, this share must lie inside nodes before a fit is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a profile lies: what to add to its times, how well that is known, and doubts about it.

    The bound's source is filled in once the source has a number.
    """

    offset_ns: int
    bound: ClockBound
    problems: tuple[Problem, ...] = ()


def place_at_epoch(
    profile: OrtProfile, start_ns: int, launches: ThreadIntervals, calls: Intervals | None = None
) -> Place:
    """A profile whose start is known: the offset is taken as stated, and checked.

    The witnesses are kernel launches, which lie inside nodes; without any, the hooked `calls` that made the runs.
    """
    fit = fit_at(profile, launches, start_ns)
    if fit is None and calls is not None:
        fit = fit_in_brackets(profile, calls, start_ns)
    if fit is None:
        return Place(offset_ns=start_ns, bound=ClockBound(source=-1, method=ClockMethod.UNCHECKED))
    bound = _bound(fit, ClockMethod.EPOCH, start_ns)
    consistent = fit.low_ns <= start_ns <= fit.high_ns and fit.inside >= _WITNESS_SHARE * fit.launches
    doubt = (
        f"{profile.path}: its stated start does not put its runs where they were seen; "
        f"the best fit is {format_ns(fit.offset_ns - start_ns)} away"
    )
    return Place(offset_ns=start_ns, bound=bound, problems=() if consistent else (_doubt(doubt),))


def place_by_fit(profile: OrtProfile, launches: ThreadIntervals, otherwise_ns: int) -> Place:
    """A bare profile: the offset is found from the launches, or `otherwise_ns` is taken and the doubt stated."""
    fit = find_offset(profile, launches)
    if fit is not None and fit.is_unique and fit.inside >= _WITNESS_SHARE * fit.launches:
        return Place(offset_ns=fit.offset_ns, bound=_bound(fit, ClockMethod.NESTING, fit.offset_ns))
    reason = "no torch trace with kernel launches is there to fit it to" if fit is None else _misfit(fit)
    doubt = f"{profile.path}: where it lies in time is not known ({reason}); its place is arbitrary"
    bound = ClockBound(source=-1, method=ClockMethod.UNCHECKED)
    return Place(offset_ns=otherwise_ns, bound=bound, problems=(_doubt(doubt),))


def next_free_ns(profiles: Sequence[OrtProfile], start_ns: int) -> list[int]:
    """Start times that lay profiles one after another."""
    starts = []
    for profile in profiles:
        starts.append(start_ns)
        start_ns += int(profile.end_ns.max(initial=0))
    return starts


def _bound(fit: Fit, method: ClockMethod, applied_ns: int) -> ClockBound:
    return ClockBound(
        source=-1,
        method=method,
        low_ns=fit.low_ns - applied_ns,
        high_ns=fit.high_ns - applied_ns,
        witnesses=fit.inside,
    )


def _misfit(fit: Fit) -> str:
    if not fit.is_unique:
        return f"two places fit alike: {fit.nodes} and {fit.runner_up} nodes with launches"
    return f"at the best place only {fit.inside} of {fit.launches} launches lie inside a node"


def _doubt(detail: str) -> Problem:
    return Problem(kind=ProblemKind.CLOCK_DOUBT, detail=detail)
