"""Putting ORT's profiles on the common clock, with the bound that the launches allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortprobe.ingest.clocks.align import Fit, ThreadIntervals, find_offset, fit_at, fit_in_brackets, has_runs
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
    is_known: bool = True
    """Whether anything may be concluded from what lies inside what."""


def place_at_epoch(
    profile: OrtProfile, start_ns: int, launches: ThreadIntervals, calls: Intervals | None = None
) -> Place:
    """A profile whose start is stated: it is taken if nothing that the capture shows speaks against it.

    The witnesses are kernel launches, which lie inside nodes, and the hooked `calls` that made the runs. Where they
    speak against it and the launches fit in one other place alone, it is put there.
    """
    by_launch = fit_at(profile, launches, start_ns)
    by_call = fit_in_brackets(profile, calls, start_ns) if calls is not None else None
    fits = [fit for fit in (by_launch, by_call) if fit is not None]
    possible = all(fit.low_ns <= start_ns <= fit.high_ns for fit in fits)
    in_calls = not _must_lie_in(profile, calls) or (by_call is not None and (by_launch or _holds_enough(by_call)))
    if possible and in_calls and (by_launch is None or _holds_enough(by_launch)):
        return Place(offset_ns=start_ns, bound=_stated_bound(fits, start_ns))
    found = _only_other_place(profile, launches, calls)
    if possible and in_calls and by_launch and (found is None or found.inside <= by_launch.inside):
        # No place holds more of the launches: the nodes of the others are missing.
        return Place(offset_ns=start_ns, bound=_stated_bound(fits, start_ns))
    stated = f"{profile.path}: its stated start does not put its runs where they were seen"
    if found is None:
        bound = ClockBound(source=-1, method=ClockMethod.UNCHECKED)
        return Place(offset_ns=start_ns, bound=bound, problems=(_doubt(stated),), is_known=False)
    moved = f"{stated}; it was moved by {format_ns(found.offset_ns - start_ns)}, to where they fit"
    return Place(
        offset_ns=found.offset_ns,
        bound=_bound(found, ClockMethod.NESTING, found.offset_ns),
        problems=(_doubt(moved),),
    )


def _only_other_place(profile: OrtProfile, launches: ThreadIntervals, calls: Intervals | None) -> Fit | None:
    """The one place where launches lie in nodes and runs in the calls that made them."""
    found = find_offset(profile, launches)
    if found is None or not _is_believed(found):
        return None
    if calls is None or not _must_lie_in(profile, calls):
        return found
    by_call = fit_in_brackets(profile, calls, found.offset_ns)
    fits = by_call is not None and _holds_enough(by_call) and by_call.low_ns <= found.offset_ns <= by_call.high_ns
    return found if fits else None


def _must_lie_in(profile: OrtProfile, calls: Intervals | None) -> bool:
    """Whether there are runs, and hooked calls that made them."""
    return calls is not None and len(calls[0]) > 0 and has_runs(profile)


def place_by_fit(profile: OrtProfile, launches: ThreadIntervals, otherwise_ns: int) -> Place:
    """A bare profile: the offset is found from the launches, or `otherwise_ns` is taken and the doubt stated."""
    fit = find_offset(profile, launches)
    if fit is not None and _is_believed(fit):
        return Place(offset_ns=fit.offset_ns, bound=_bound(fit, ClockMethod.NESTING, fit.offset_ns))
    reason = "no torch trace with kernel launches is there to fit it to" if fit is None else _misfit(fit)
    doubt = f"{profile.path}: where it lies in time is not known ({reason}); its place is arbitrary"
    bound = ClockBound(source=-1, method=ClockMethod.UNCHECKED)
    return Place(offset_ns=otherwise_ns, bound=bound, problems=(_doubt(doubt),), is_known=False)


def _is_believed(fit: Fit) -> bool:
    return fit.is_unique and _holds_enough(fit)


def _holds_enough(fit: Fit) -> bool:
    return fit.inside >= _WITNESS_SHARE * fit.launches


def _stated_bound(fits: Sequence[Fit], start_ns: int) -> ClockBound:
    """What all witnesses allow."""
    if not fits:
        return ClockBound(source=-1, method=ClockMethod.UNCHECKED)
    return ClockBound(
        source=-1,
        method=ClockMethod.EPOCH,
        low_ns=max(fit.low_ns for fit in fits) - start_ns,
        high_ns=min(fit.high_ns for fit in fits) - start_ns,
        witnesses=fits[0].inside,
    )


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
