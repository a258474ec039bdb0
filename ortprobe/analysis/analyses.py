"""All analyses of one Timeline, each computed when it is first asked for."""

from __future__ import annotations

from functools import cached_property

from ortprobe.analysis.idle.cut import Knife
from ortprobe.analysis.idle.device_idle import Idle, compute_idle, compute_knife
from ortprobe.analysis.idle.idle_lines import IdleLines, compute_idle_lines
from ortprobe.analysis.idle.idle_of_runs import IdleOfRuns, compute_idle_of_runs
from ortprobe.analysis.idle.starvation import Starvation, compute_starvation
from ortprobe.analysis.nodes.attribution import Attribution, compute_attribution
from ortprobe.analysis.nodes.node_times import NodeTimes, compute_nodes
from ortprobe.analysis.races import InputOrder, compute_races
from ortprobe.analysis.runs.run_times import RunTimes, compute_runs
from ortprobe.analysis.sessions.session_lives import SessionLives, compute_sessions
from ortprobe.analysis.trust.integrity import Integrity, Overhead, compute_integrity, compute_overhead
from ortprobe.analysis.waits.wait_times import WaitTimes, compute_waits
from ortprobe.timeline import Timeline


class Analyses:
    """Rules and reports ask for what they need; nobody orders them."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    @cached_property
    def runs(self) -> RunTimes:
        return compute_runs(self.timeline)

    @cached_property
    def sessions(self) -> SessionLives:
        return compute_sessions(self.timeline, self.runs)

    @cached_property
    def waits(self) -> WaitTimes:
        return compute_waits(self.timeline)

    @cached_property
    def races(self) -> InputOrder:
        return compute_races(self.timeline)

    @cached_property
    def _knife(self) -> Knife:
        return compute_knife(self.timeline, self.waits)

    @cached_property
    def idle(self) -> Idle:
        return compute_idle(self._knife)

    @cached_property
    def idle_lines(self) -> IdleLines:
        return compute_idle_lines(self.timeline, self.idle)

    @cached_property
    def idle_of_runs(self) -> IdleOfRuns:
        return compute_idle_of_runs(self.timeline, self.idle)

    @cached_property
    def starvation(self) -> Starvation:
        return compute_starvation(self._knife)

    @cached_property
    def nodes(self) -> NodeTimes:
        return compute_nodes(self.timeline)

    @cached_property
    def attribution(self) -> Attribution:
        return compute_attribution(self.timeline)

    @cached_property
    def integrity(self) -> Integrity:
        return compute_integrity(self.timeline, self.waits)

    @cached_property
    def overhead(self) -> Overhead:
        return compute_overhead(self.timeline, self.runs)
