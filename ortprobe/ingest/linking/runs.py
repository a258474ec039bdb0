"""Runs: what the hooks saw and what ORT's profile calls `model_run`, put together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.ingest.builder import Collected
from ortprobe.ingest.linking.containment import containing, outermost
from ortprobe.ingest.sources.hook_log import RUN_CALLS
from ortprobe.timeline import NONE, Int32s, Kind, Runs, SourceKind, traced_windows
from ortprobe.timeline.intervals import innermost_containing


def find_runs(collected: Collected, session_of_source: Mapping[int, int], afloat: Collection[int] = ()) -> Runs:
    """One row for each inference. A `model_run` inside a hooked call on the same thread is that call's; nested
    `model_run`s (the first run with CUDA graphs) are one run.

    Where the place of a profile in time is not known (`afloat`) and hooks saw its session's runs, only those count.
    """
    hooked = _hooked_runs(collected)
    model_runs = outermost(collected.spans, collected.spans.of_kind(Kind.ORT_RUN))
    seen = set(collected.hooks.session[collected.hooks.rows_of(hooked)].tolist())
    doubled = [source for source in afloat if session_of_source.get(source, NONE) in seen]
    model_runs = model_runs[~np.isin(collected.spans.source[model_runs], doubled)]
    inside = containing(collected.spans, hooked, model_runs)
    alone = model_runs[inside == NONE]
    hook_span = np.concatenate((hooked, np.full(len(alone), NONE, np.int32)))
    run_span = np.concatenate((_first_of_each(hooked, inside, model_runs), alone))
    whole = np.where(hook_span != NONE, hook_span, run_span)
    order = np.argsort(whole, kind="stable")
    return _columns(collected, whole[order], hook_span[order], run_span[order], session_of_source)


def _columns(
    collected: Collected, whole: Int32s, hook_span: Int32s, run_span: Int32s, session_of_source: Mapping[int, int]
) -> Runs:
    spans, hooks = collected.spans, collected.hooks
    execute = spans.of_kind(Kind.ORT_EXECUTE)
    of_run = containing(collected.spans, run_span[run_span != NONE], execute)
    hooked, row = hook_span != NONE, hooks.rows_of(hook_span)
    of_source = np.array([session_of_source.get(source, NONE) for source in range(len(collected.sources))], np.int32)
    session = of_source[spans.source[whole]]
    session[hooked] = hooks.session[row[hooked]]
    traced = innermost_containing(*traced_windows(spans, collected.sources), spans.start_ns[whole]) != NONE
    attached = (ATTACHED_ORT_PROFILE | np.where(traced, ATTACHED_TORCH_PROFILER, 0)).astype(np.uint8)
    # No hook knows of Nsight Systems, which shows what torch's profiler does.
    by_nsight = traced_windows(spans, collected.sources, kinds=(SourceKind.NSIGHT,))
    seen = innermost_containing(*by_nsight, spans.start_ns[whole[hooked]]) != NONE
    attached[hooked] = hooks.attached[row[hooked]] | np.where(seen, ATTACHED_TORCH_PROFILER, 0).astype(np.uint8)
    return Runs(
        start_ns=spans.start_ns[whole],
        end_ns=spans.end_ns[whole],
        session=session,
        lane=spans.lane[whole],
        hook_span=hook_span,
        run_span=run_span,
        execute_span=_first_of_each(run_span, of_run, execute),
        attached=attached,
    )


def _first_of_each(outer: Int32s, inside: Int32s, inner: Int32s) -> Int32s:
    """For each outer span the first of the inner ones, in time order, whose `inside` it is; NONE without any."""
    holders, first = np.unique(inside[inside != NONE], return_index=True)
    found = np.full(len(outer), NONE, np.int32)
    if len(holders):
        at = np.minimum(np.searchsorted(holders, outer), len(holders) - 1)
        holds = holders[at] == outer
        found[holds] = inner[inside != NONE][first[at[holds]]]
    return found


def _hooked_runs(collected: Collected) -> Int32s:
    wanted = [number for number, name in enumerate(collected.names) if name in RUN_CALLS]
    hooks = collected.hooks
    return outermost(collected.spans, hooks.span[np.isin(hooks.what, wanted)])
