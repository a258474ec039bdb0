"""Comparisons of captures that are really there."""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.accounts import latency_account, pace_account
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.node_changes import compute_node_changes
from ortprobe.analysis.comparison.node_matches import match_nodes
from ortprobe.analysis.comparison.run_changes import Measure, measure_changes
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.session_matches import match_sessions
from ortprobe.analysis.comparison.surroundings import compare_surroundings
from ortprobe.analysis.comparison.verdict import ANY_CHANGE, Outcome, Reason, Verdict
from ortprobe.analysis.comparison.work_changes import IdleChange, KernelChange, WaitChange
from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.waits.roles import WaitRole
from ortprobe.analysis.waits.wait_times import Waiter
from ortprobe.timeline import Kind

CANT_TELL = Verdict(outcome=Outcome.CANT_TELL, reasons=(Reason.TOO_FEW_RUNS,))


def comparison(before: Analyses, after: Analyses) -> Comparison:
    sides = (before,), (after,)
    found = []
    for session in match_sessions(*sides):
        pairs = match_nodes(*sides, session)
        measures = measure_changes(sides, session, ANY_CHANGE)
        stated = measures[0].change.difference_ns if measures else 0
        found.append(
            SessionChange(
                session=session,
                share=1,
                runs=(100, 100),
                failed=(0, 0),
                measures=measures,
                verdict=measures[0].verdict if measures else CANT_TELL,
                by=Measure.MEDIAN,
                account=latency_account(sides, session, pairs, stated),
                pace_account=pace_account(sides, session, pairs, stated),
                nodes=compute_node_changes(sides, session, pairs),
                median_runs=None,
            )
        )
    causes = (IdleCause.ORT_HOST, IdleCause.SYNC_WAIT, IdleCause.LAUNCH_LATENCY)
    names = {before.timeline.name_of(s) for s in before.timeline.spans.of_kind(Kind.KERNEL)}
    return Comparison(
        before=(before,),
        after=(after,),
        gate=ANY_CHANGE,
        verdict=found[0].verdict,
        main=0,
        sessions=tuple(found),
        surroundings=compare_surroundings(*sides),
        kernels=tuple(
            KernelChange(name=n, before_count=1, after_count=2, before_ns=10000, after_ns=20000) for n in names
        ),
        idle=tuple(IdleChange(cause=cause, before_ns=1e5 * k, after_ns=1.5e5 * k) for k, cause in enumerate(causes, 1)),
        waits=(
            WaitChange(
                waiter=Waiter.HOST,
                role=WaitRole.PROGRAM,
                before_count=1,
                after_count=0.5,
                before_stall_ns=9e4,
                after_stall_ns=None,
            ),
        ),
    )
