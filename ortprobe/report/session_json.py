"""The lives of sessions in `findings.json`: `null` is what nobody measured."""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.creations import CreationCost, PhaseTime
from ortprobe.analysis.sessions.first_runs import FirstRunCost
from ortprobe.analysis.sessions.session_lives import OptionChange, SessionLife
from ortprobe.analysis.sessions.stale import StaleSession
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt
from ortprobe.timeline import NONE

Document = dict[str, object]


def session_lives(analyses: Analyses) -> list[Document]:
    """One entry a C session, in order of creation. Times are null where the capture's problems make them unsayable."""
    stale = {each.session: each for each in analyses.sessions.stale or ()}
    told = not doubt(analyses, Claim.LATENCY)
    return [_life(life, stale.get(life.session.index), told=told) for life in analyses.sessions.lives]


def _life(life: SessionLife, stale: StaleSession | None, *, told: bool) -> Document:
    session, first_runs = life.session, life.first_runs
    return {
        "session": session.index,
        "creation": session.creation.value,
        "replaces": session.replaces,
        "file": session.site.file if session.site else None,
        "line": session.site.line if session.site else None,
        "creation_ns": life.creation_ns if told else None,
        "phases": _phases(life.creation) if told and life.creation else None,
        "upload": _upload(life.creation) if told and life.creation else None,
        "runs": life.runs,
        "runs_until_steady": first_runs.until_steady if told else None,
        "early_excess_ns": first_runs.excess_ns if told else None,
        "early_runs": [_run(cost) for cost in first_runs.early] if told else None,
        "runs_with_new_shapes": [_run(cost) for cost in first_runs.new_shapes] if told else None,
        "re_init_cost_ns": life.re_init_cost_ns if told else None,
        "options_lost": [_option(change) for change in life.options_reset],
        "options_changed": [_option(change) for change in life.options_changed],
        "weight_bytes": life.memory.weight_bytes,
        "arena_bytes": life.memory.arena_bytes,
        "stale": {"held_by": stale.held_by.value, "held_ns": stale.held_ns if told else None} if stale else None,
    }


def _phases(creation: CreationCost) -> Document | None:
    phases = creation.phases
    return {phase.value: _phase(time) for phase, time in phases.items()} if phases is not None else None


def _phase(time: PhaseTime) -> Document:
    parts = {part.value: length_ns for part, length_ns in time.parts_ns.items()}
    return {"length_ns": time.length_ns, "unwatched_ns": time.unwatched_ns, "parts_ns": parts}


def _upload(creation: CreationCost) -> Document | None:
    upload = creation.upload
    if upload is None:
        return None
    return {
        "copies": upload.copies,
        "size_bytes": upload.size_bytes,
        "pageable_bytes": upload.pageable_bytes,
        "call_ns": upload.call_ns,
        "device_ns": upload.device_ns,
    }


def _run(cost: FirstRunCost) -> Document:
    parts = {part.value: more_ns for part, more_ns in cost.parts_ns.items()} if cost.parts_ns is not None else None
    return {
        "run": cost.run,
        "latency_ns": cost.latency_ns,
        "compared_with": None if cost.compared_with == NONE else cost.compared_with,
        "excess_ns": cost.excess_ns,
        "parts_ns": parts,
        "unexplained_ns": cost.unexplained_ns,
        "node_host_ns": None if cost.node_host_ns is None else dict(cost.node_host_ns),
        "arena_growth_bytes": cost.arena_growth_bytes,
        "kernels_only_here": None if cost.kernels is None else cost.kernels.only_here,
    }


def _option(change: OptionChange) -> Document:
    return {"provider": change.provider, "option": change.option, "before": change.before, "after": change.after}
