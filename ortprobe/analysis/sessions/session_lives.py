"""The lives of sessions: why each began, what it cost to make, and what its first runs paid on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.sessions.creations import CreationCost, Phase, compute_creations
from ortprobe.analysis.sessions.first_runs import FirstRuns, compute_first_runs
from ortprobe.analysis.sessions.stale import Memory, StaleSession, compute_memory, compute_stale
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import Creation, Session, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionChange:
    """A provider option that a re-creation changed."""

    provider: str
    option: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLife:
    """One C session, from the call that made it to its last run. What nobody measured is None."""

    session: Session
    creation_ns: int | None
    """The whole call; from loading to initialised where only ORT's profile is there, None where it lacks both."""
    creation: CreationCost | None
    """How the creation divides; None where nobody saw it."""
    runs: int
    first_run_ns: int | None
    steady_run_ns: int | None
    """Median of its steady runs under the same tracing as the first; None with fewer than two of them."""
    first_run_excess_ns: int | None
    """First run less steady run; 0 at least."""
    first_runs: FirstRuns
    """What each run took on top until the session ran steadily, and later runs with new shapes, and for what."""
    re_init_cost_ns: int | None
    """For a session that replaced another: creation, and what its runs took on top until it ran steadily; creation
    alone where that is not known. None for any other session."""
    memory: Memory
    repeats: int | None
    """Index of an earlier session that this one repeats without replacing it: the same model on the same providers with
    the same options, and its last run was over when this one was made. None when there is none."""
    options_reset: tuple[OptionChange, ...]
    """Options that went back to their defaults, and that the call did not name."""
    options_changed: tuple[OptionChange, ...]
    """Options that the call named, and that now are others than in the session before."""
    end_ns: int
    """When the next C session of the same owner replaced it, else the end of its last run."""

    def phase_ns(self, phase: Phase) -> int | None:
        """How long a phase of its creation took; None where that is not known."""
        phases = self.creation.phases if self.creation else None
        return phases[phase].length_ns if phases and phase in phases else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLives:
    """All C sessions in order of creation."""

    lives: tuple[SessionLife, ...]
    created: int
    """How many came to life."""
    re_inits: int
    re_init_cost_ns: int | None
    """Summed over all re-initialisations whose cost is known; None without one."""
    stale: tuple[StaleSession, ...] | None
    """Sessions that were held without being used, in order of creation; None where nobody saw who held what."""


CUDA_DEFAULTS = {
    "arena_extend_strategy": "kNextPowerOfTwo",
    "cudnn_conv1d_pad_to_nc1d": "0",
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "cudnn_conv_use_max_workspace": "1",
    "device_id": "0",
    "do_copy_in_default_stream": "1",
    "enable_cuda_graph": "0",
    "enable_cudnn": "1",
    "external_data_loader_reading_threads": "4",
    "fuse_conv_bias": "0",
    "gpu_external_alloc": "0",
    "gpu_external_empty_cache": "0",
    "gpu_external_free": "0",
    "gpu_mem_limit": "18446744073709551615",
    "prefer_nhwc": "0",
    "sdpa_kernel": "0",
    "tunable_op_enable": "0",
    "tunable_op_max_tuning_duration_ms": "0",
    "tunable_op_tuning_enable": "0",
    "use_ep_level_unified_stream": "0",
    "use_tf32": "1",
    "user_compute_stream": "0",
}
"""Defaults of the CUDA execution provider's options, as a session of onnxruntime-gpu 1.31.1 states them that was given
none. `has_user_compute_stream` is left out: it follows from `user_compute_stream`."""

_CUDA = "CUDAExecutionProvider"


def compute_sessions(timeline: Timeline, runs: RunTimes, waits: WaitTimes) -> SessionLives:
    """The life of every C session, in order of creation."""
    creations = compute_creations(timeline, waits)
    memory = compute_memory(timeline, creations)
    first_runs = compute_first_runs(timeline, runs)
    lives = tuple(
        _life(timeline, runs, session, creations[session.index], first_runs[session.index], memory[session.index])
        for session in timeline.sessions
    )
    re_inits = [life for life in lives if life.session.replaces is not None and not life.session.error]
    costs = [life.re_init_cost_ns for life in re_inits if life.re_init_cost_ns is not None]
    return SessionLives(
        lives=lives,
        created=sum(not life.session.error for life in lives),
        re_inits=len(re_inits),
        re_init_cost_ns=sum(costs) if costs else None,
        stale=compute_stale(timeline, memory),
    )


def _life(
    timeline: Timeline, runs: RunTimes, session: Session, creation: CreationCost | None, first_runs: FirstRuns,
    memory: Memory,
) -> SessionLife:  # fmt: skip
    own = np.flatnonzero(timeline.runs.session == session.index).tolist()
    creation_ns = creation.creation_ns if creation else None
    first_ns = int(runs.latency_ns[own[0]]) if own and not runs.failed[own[0]] else None
    excess_ns, steady_ns = _of_first_run(first_runs)
    replaced = session.replaces is not None and not session.error
    return SessionLife(
        session=session,
        creation_ns=creation_ns,
        creation=creation,
        runs=len(own),
        first_run_ns=first_ns,
        steady_run_ns=steady_ns,
        first_run_excess_ns=excess_ns,
        first_runs=first_runs,
        re_init_cost_ns=creation_ns + (first_runs.excess_ns or 0) if replaced and creation_ns is not None else None,
        memory=memory,
        repeats=_repeats(timeline, session),
        options_reset=_options_reset(session),
        options_changed=_options_changed(session),
        end_ns=_end_of_life(timeline, session, own),
    )


def _of_first_run(first_runs: FirstRuns) -> tuple[int | None, int | None]:
    """What the first run took on top, and what a steady one takes."""
    first = first_runs.first
    if first is None or first.excess_ns is None:
        return None, None
    return max(first.excess_ns, 0), first.steady_ns


def _repeats(timeline: Timeline, session: Session) -> int | None:
    if session.creation is not Creation.CONSTRUCTOR or not session.model or session.error:
        return None
    own = np.flatnonzero(timeline.runs.session == session.index)
    needed_ns = int(timeline.runs.start_ns[own[0]]) if len(own) else timeline.end_ns
    for earlier in reversed(timeline.sessions[: session.index]):
        if not _same_setting(earlier, session) or earlier.released_ns is None or earlier.released_ns > needed_ns:
            continue
        ended_ns = timeline.runs.end_ns[timeline.runs.session == earlier.index]
        if len(ended_ns) and ended_ns.max() <= session.start_ns:
            return earlier.index
    return None


def _same_setting(one: Session, other: Session) -> bool:
    """In one process: another one has to make a session of its own."""
    settings = [(each.process, each.model, each.providers, each.provider_options) for each in (one, other)]
    return settings[0] == settings[1]


def _options_reset(session: Session) -> tuple[OptionChange, ...]:
    before = session.previous_provider_options.get(_CUDA, {})
    after = session.provider_options.get(_CUDA, {})
    named = session.requested_options.get(_CUDA, {})
    return tuple(
        OptionChange(provider=_CUDA, option=option, before=value, after=after[option])
        for option, value in before.items()
        if option not in named and after.get(option, value) != value and after[option] == CUDA_DEFAULTS.get(option)
    )


def _options_changed(session: Session) -> tuple[OptionChange, ...]:
    return tuple(
        OptionChange(provider=provider, option=option, before=before[option], after=after)
        for provider, options in session.provider_options.items()
        if (before := session.previous_provider_options.get(provider)) is not None
        for option, after in options.items()
        if option in session.requested_options.get(provider, {}) and before.get(option, after) != after
    )


def _end_of_life(timeline: Timeline, session: Session, own: list[int]) -> int:
    successors = [other.start_ns for other in timeline.sessions if other.replaces == session.index and not other.error]
    if successors:
        return min(successors)
    return int(timeline.runs.end_ns[own].max()) if own else session.end_ns
