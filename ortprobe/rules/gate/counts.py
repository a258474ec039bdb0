"""Figures of the whole capture: sessions, runs that raised, races, nodes by where they run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.placement import cpu_nodes, memcpy_nodes
from ortprobe.analysis.races.memory_order import OrderedPair, Verdict, has_device_bindings
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import distinct_sites, site_of_run
from ortprobe.rules.finding import NotApplicable
from ortprobe.rules.gate.measured import Measured, Metric, Unit, counted, unknown
from ortprobe.rules.races import blindness
from ortprobe.timeline import NONE, Bools, Site, Timeline

_UNHOOKED = "without a hook log, sessions and calls that no given file tells of are not seen"
_MOST_NAMES = 5


def _sessions(analyses: Analyses) -> Measured:
    lives = [life for life in analyses.sessions.lives if not life.session.error]
    where = distinct_sites(life.session.site for life in lives)
    return _of_calls(analyses, len(lives), len(lives), where=where)


def _re_inits(analyses: Analyses) -> Measured:
    again = [life.session for life in analyses.sessions.lives if life.session.replaces is not None]
    again = [session for session in again if not session.error]
    certain = sum(not session.replaces_is_inferred for session in again)
    return _of_calls(analyses, certain, len(again), where=distinct_sites(session.site for session in again))


def _failed_runs(analyses: Analyses) -> Measured:
    failed = np.flatnonzero(analyses.runs.failed).tolist()
    where = distinct_sites(site_of_run(analyses.timeline, run) for run in failed)
    return _of_calls(analyses, len(failed), len(failed), where=where)


def _of_calls(analyses: Analyses, certain: int, seen: int, *, where: tuple[Site, ...]) -> Measured:
    """A count of what the program called, which only hooks see all of."""
    found = counted(analyses, seen, Claim.CALLS, where=where)
    if analyses.timeline.capture.hooked:
        return found
    return Measured(low=certain, high=None, why=_UNHOOKED, where=where)


def _races(analyses: Analyses) -> Measured:
    """Races between the same two places in the program are one."""
    timeline, blind = analyses.timeline, blindness(analyses)
    if blind is not None:
        return _none_or_unknown(blind)
    pairs = analyses.races.pairs
    races = {_place(pair): pair for pair in pairs if pair.verdict is Verdict.RACE}
    doubtful = {_place(pair) for pair in pairs if pair.verdict is Verdict.UNVERIFIABLE} - races.keys()
    where = distinct_sites(one.site for pair in races.values() for one in (pair.second, pair.first))
    if doubtful:
        why = f"whether {len(doubtful)} more pairs of accesses are ordered is not known"
        return Measured(low=len(races), high=len(races) + len(doubtful), why=why, where=where)
    if not pairs and not timeline.capture.hooked:
        return unknown("only the hook log says which buffers were bound and written")
    if not pairs and has_device_bindings(timeline):
        return unknown("no access to a bound buffer was seen")
    return counted(analyses, len(races), where=where)


def _none_or_unknown(blind: NotApplicable) -> Measured:
    if blind.evidence_missing:
        return unknown(blind.why.removeprefix("can't tell, because "))
    return Measured(low=0, high=0)


def _place(pair: OrderedPair) -> tuple[object, ...]:
    return pair.hazard, pair.first.what, pair.first.site, pair.second.what, pair.second.site


def _nodes(analyses: Analyses, find: Callable[[Timeline], Bools]) -> Measured:
    """Nodes of sessions that are the same one built again count once, as often as in that of them with the most."""
    timeline, of_session = analyses.timeline, defaultdict[int, list[int]](list)
    for node in np.flatnonzero(find(timeline)).tolist():
        of_session[int(timeline.nodes.session[node])].append(node)
    most: dict[int, list[int]] = {}
    for session, root in enumerate(_roots(analyses)):
        most[root] = max(most.get(root, []), of_session[session], key=len)
    found = [node for nodes in most.values() for node in nodes]
    names = tuple(_name(timeline, node) for node in found[:_MOST_NAMES])
    blind = _without_profile(timeline)
    if blind:
        return Measured(low=len(found), high=None, why=blind, names=names)
    return counted(analyses, len(found), Claim.COUNTS, names=names)


def _roots(analyses: Analyses) -> Iterable[int]:
    """For each session the first one of those that it replaces or repeats."""
    roots: list[int] = []
    for life in analyses.sessions.lives:
        before = life.session.replaces if life.session.replaces is not None else life.repeats
        roots.append(life.session.index if before is None else roots[before])
    return roots


def _name(timeline: Timeline, node: int) -> str:
    return timeline.names[name] if (name := int(timeline.nodes.name[node])) != NONE else ""


def _without_profile(timeline: Timeline) -> str:
    """Why the nodes of the sessions are not all known: a profile holds those alone that were executed."""
    ran = set(np.unique(timeline.runs.session).tolist())
    blind = ran - set(np.unique(timeline.nodes.session).tolist())
    if not ran:
        return "no run was recorded"
    return f"{len(blind)} of {len(ran)} sessions that ran have no profile with their nodes" if blind else ""


COUNTS = (
    Metric(key="sessions", unit=Unit.COUNT, meaning="sessions made, re-initialisations included", measure=_sessions),
    Metric(key="re_inits", unit=Unit.COUNT, meaning="sessions that replaced another", measure=_re_inits),
    Metric(key="failed_runs", unit=Unit.COUNT, meaning="runs that raised", measure=_failed_runs),
    Metric(key="races", unit=Unit.COUNT, meaning="pairs of places whose order nothing ensures", measure=_races),
    Metric(
        key="cpu_nodes",
        unit=Unit.COUNT,
        meaning="nodes that run on the CPU",
        measure=lambda analyses: _nodes(analyses, cpu_nodes),
    ),
    Metric(
        key="memcpy_nodes",
        unit=Unit.COUNT,
        meaning="copies that onnxruntime put between nodes on the CPU and others",
        measure=lambda analyses: _nodes(analyses, memcpy_nodes),
    ),
)
