"""The lives of sessions: why each began, what it cost to make, and what its first run paid on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.runs.spread import median_ns
from ortprobe.timeline import Creation, Session, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionChange:
    """A provider option that a re-creation changed without naming it: it went back to its default."""

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
    load_ns: int | None
    initialize_ns: int | None
    other_ns: int | None
    """Creation less loading and initialising: checking providers, setting them up, Python."""
    runs: int
    first_run_ns: int | None
    steady_run_ns: int | None
    """Median of its later runs under the same tracing as the first; None with fewer than two of them."""
    first_run_excess_ns: int | None
    """First run less steady run; 0 at least."""
    re_init_cost_ns: int | None
    """For a session that replaced another: creation and first-run excess together; creation alone where the excess is
    not known. None for any other session."""
    repeats: int | None
    """Index of an earlier session that this one repeats without replacing it: the same model on the same providers with
    the same options, and its last run was over when this one was made. None when there is none."""
    options_reset: tuple[OptionChange, ...]
    end_ns: int
    """When the next C session of the same owner replaced it, else the end of its last run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLives:
    """All C sessions in order of creation."""

    lives: tuple[SessionLife, ...]
    created: int
    """How many came to life."""
    re_inits: int
    re_init_cost_ns: int | None
    """Summed over all re-initialisations whose cost is known; None without one."""


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

STEADY_RUNS_NEEDED = 2
_CUDA = "CUDAExecutionProvider"


def compute_sessions(timeline: Timeline, runs: RunTimes) -> SessionLives:
    """The life of every C session, in order of creation."""
    lives = tuple(_life(timeline, runs, session) for session in timeline.sessions)
    re_inits = [life for life in lives if life.session.replaces is not None and not life.session.error]
    costs = [life.re_init_cost_ns for life in re_inits if life.re_init_cost_ns is not None]
    return SessionLives(
        lives=lives,
        created=sum(not life.session.error for life in lives),
        re_inits=len(re_inits),
        re_init_cost_ns=sum(costs) if costs else None,
    )


def _life(timeline: Timeline, runs: RunTimes, session: Session) -> SessionLife:
    own = np.flatnonzero(timeline.runs.session == session.index)
    seen = session.creation is not Creation.UNKNOWN or (session.load_ns, session.initialize_ns) != (None, None)
    creation_ns = session.end_ns - session.start_ns if seen else None
    first_ns, steady_ns = _first_and_steady(runs, own.tolist())
    excess_ns = max(first_ns - steady_ns, 0) if first_ns is not None and steady_ns is not None else None
    replaced = session.replaces is not None and not session.error
    return SessionLife(
        session=session,
        creation_ns=creation_ns,
        load_ns=session.load_ns,
        initialize_ns=session.initialize_ns,
        other_ns=_other_ns(session, creation_ns),
        runs=len(own),
        first_run_ns=first_ns,
        steady_run_ns=steady_ns,
        first_run_excess_ns=excess_ns,
        re_init_cost_ns=creation_ns + (excess_ns or 0) if replaced and creation_ns is not None else None,
        repeats=_repeats(timeline, session),
        options_reset=_options_reset(session),
        end_ns=_end_of_life(timeline, session, own.tolist()),
    )


def _other_ns(session: Session, creation_ns: int | None) -> int | None:
    if creation_ns is None or session.load_ns is None or session.initialize_ns is None:
        return None
    return max(creation_ns - session.load_ns - session.initialize_ns, 0)


def _first_and_steady(runs: RunTimes, own: list[int]) -> tuple[int | None, int | None]:
    """A first run that raised is no first run to compare with."""
    if not own or runs.failed[own[0]]:
        return None, None
    first, later = own[0], np.array(own[1:], np.int64)
    alike = later[(runs.attached[later] == runs.attached[first]) & ~runs.failed[later]]
    steady_ns = median_ns(runs.latency_ns[alike]) if len(alike) >= STEADY_RUNS_NEEDED else None
    return int(runs.latency_ns[first]), steady_ns


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


def _end_of_life(timeline: Timeline, session: Session, own: list[int]) -> int:
    successors = [other.start_ns for other in timeline.sessions if other.replaces == session.index and not other.error]
    if successors:
        return min(successors)
    return int(timeline.runs.end_ns[own].max()) if own else session.end_ns
