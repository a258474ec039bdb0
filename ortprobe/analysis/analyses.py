"""All analyses of one Timeline, each computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from ortprobe.analysis.bindings.host_trips import HostTrips, compute_host_trips
from ortprobe.analysis.idle.after_pauses import AfterPauses, compute_after_pauses
from ortprobe.analysis.idle.cut import Knife
from ortprobe.analysis.idle.device_idle import Idle, compute_idle, compute_knife
from ortprobe.analysis.idle.host_activity import HostActivity
from ortprobe.analysis.idle.idle_lines import IdleLines, compute_idle_lines
from ortprobe.analysis.idle.starvation import Starvation, compute_starvation
from ortprobe.analysis.nodes.attribution import Attribution, compute_attribution
from ortprobe.analysis.nodes.bounds import SessionBound, compute_bounds
from ortprobe.analysis.nodes.detour_time import DetourTime, compute_detour_times
from ortprobe.analysis.nodes.detours import Detour, compute_detours
from ortprobe.analysis.nodes.node_hosts import NodeHost, compute_node_hosts
from ortprobe.analysis.nodes.node_runs import NodeRuns, compute_node_runs
from ortprobe.analysis.nodes.node_shapes import NodeShapes, compute_node_shapes
from ortprobe.analysis.nodes.node_times import NodeTimes, compute_nodes
from ortprobe.analysis.nodes.node_waits import NodeWaits, compute_node_waits
from ortprobe.analysis.nodes.operators import Operators, compute_operators
from ortprobe.analysis.nodes.shape_changes import ShapeChanges, compute_shape_changes
from ortprobe.analysis.path.critical_path import CriticalPaths, compute_critical_paths
from ortprobe.analysis.path.dependencies import Dependencies, compute_dependencies
from ortprobe.analysis.path.path_shares import PathShares, compute_path_shares
from ortprobe.analysis.path.re_inits import WithoutReInits, compute_without_re_inits
from ortprobe.analysis.path.what_if import WhatIfs, compute_what_ifs
from ortprobe.analysis.races.memory_order import MemoryOrder, compute_races
from ortprobe.analysis.races.wait_uses import WaitUse, compute_wait_uses
from ortprobe.analysis.runs.run_comparison import RunComparison, compute_comparisons
from ortprobe.analysis.runs.run_phases import RunPhases, compute_phases
from ortprobe.analysis.runs.run_times import RunTimes, compute_runs
from ortprobe.analysis.sessions.arena_growth import ArenaGrowth, compute_arena_growth
from ortprobe.analysis.sessions.config_entries import ConfigEntries, compute_config_entries
from ortprobe.analysis.sessions.cuda_graphs import GraphSession, compute_cuda_graphs
from ortprobe.analysis.sessions.given_buffers import Buffer, compute_given_buffers
from ortprobe.analysis.sessions.input_sizes import InputSizes, compute_input_sizes
from ortprobe.analysis.sessions.run_threads import RunThreads, compute_run_threads
from ortprobe.analysis.sessions.session_lives import SessionLives, compute_sessions
from ortprobe.analysis.trust.believable import Believable, compute_believable
from ortprobe.analysis.trust.integrity import Integrity, compute_integrity
from ortprobe.analysis.trust.overhead import Overhead, compute_overhead
from ortprobe.analysis.waits.wait_groups import WaitGroup, group_waits
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
    def phases(self) -> RunPhases:
        return compute_phases(self.timeline, self.waits)

    @cached_property
    def comparisons(self) -> tuple[RunComparison, ...]:
        return compute_comparisons(self.timeline, self.runs, self.phases, self.waits, self.idle)

    @cached_property
    def sessions(self) -> SessionLives:
        return compute_sessions(self.timeline, self.runs, self.waits)

    @cached_property
    def config_entries(self) -> ConfigEntries:
        return compute_config_entries(self.timeline)

    @cached_property
    def host_trips(self) -> HostTrips:
        return compute_host_trips(self.timeline)

    @cached_property
    def waits(self) -> WaitTimes:
        return compute_waits(self.timeline)

    @cached_property
    def wait_groups(self) -> tuple[WaitGroup, ...]:
        return group_waits(self.timeline, self.waits)

    @cached_property
    def races(self) -> MemoryOrder:
        return compute_races(self.timeline)

    @cached_property
    def wait_uses(self) -> tuple[WaitUse, ...]:
        return compute_wait_uses(self.timeline, self.waits, self.races)

    @cached_property
    def activity(self) -> HostActivity:
        return HostActivity(self.timeline)

    @cached_property
    def _knife(self) -> Knife:
        return compute_knife(self.timeline, self.waits, self.activity)

    @cached_property
    def idle(self) -> Idle:
        return compute_idle(self._knife)

    @cached_property
    def idle_lines(self) -> IdleLines:
        return compute_idle_lines(self.timeline, self.idle)

    @cached_property
    def starvation(self) -> Starvation:
        return compute_starvation(self._knife)

    @cached_property
    def after_pauses(self) -> tuple[AfterPauses, ...]:
        return compute_after_pauses(self.timeline, self.runs)

    @cached_property
    def dependencies(self) -> Dependencies:
        return compute_dependencies(self.timeline, self.waits)

    @cached_property
    def critical_paths(self) -> CriticalPaths:
        return compute_critical_paths(self.timeline, self.waits, self.dependencies, self.activity)

    @cached_property
    def path_shares(self) -> PathShares | None:
        return compute_path_shares(self.timeline, self.runs, self.critical_paths)

    @cached_property
    def what_ifs(self) -> WhatIfs | None:
        return compute_what_ifs(self.timeline, self.runs, self.waits, self.dependencies, self.activity, self.wait_uses)

    @cached_property
    def without_re_inits(self) -> tuple[WithoutReInits, ...]:
        return compute_without_re_inits(self.timeline, self.sessions)

    @cached_property
    def node_runs(self) -> NodeRuns:
        return compute_node_runs(self.timeline)

    @cached_property
    def nodes(self) -> NodeTimes:
        return compute_nodes(self.timeline, self.node_runs)

    @cached_property
    def detour_times(self) -> tuple[DetourTime, ...]:
        return compute_detour_times(self.timeline, self.runs, self.waits)

    @cached_property
    def node_waits(self) -> NodeWaits:
        return compute_node_waits(self.timeline, self.runs, self.waits)

    @cached_property
    def shape_changes(self) -> ShapeChanges:
        return compute_shape_changes(self.timeline)

    @cached_property
    def given_buffers(self) -> Mapping[int, Sequence[Buffer]]:
        return compute_given_buffers(self.timeline)

    @cached_property
    def input_sizes(self) -> tuple[InputSizes, ...]:
        return compute_input_sizes(self.timeline, self.given_buffers)

    @cached_property
    def arena_growth(self) -> ArenaGrowth:
        return compute_arena_growth(self.timeline)

    @cached_property
    def run_threads(self) -> tuple[RunThreads, ...]:
        return compute_run_threads(self.timeline, self.runs, self.arena_growth)

    @cached_property
    def cuda_graphs(self) -> tuple[GraphSession, ...]:
        return compute_cuda_graphs(self.timeline, self.runs, self.given_buffers)

    @cached_property
    def node_hosts(self) -> tuple[NodeHost, ...]:
        return compute_node_hosts(self.timeline, self.waits)

    @cached_property
    def node_shapes(self) -> NodeShapes:
        return compute_node_shapes(self.timeline)

    @cached_property
    def operators(self) -> Operators:
        return compute_operators(self.nodes)

    @cached_property
    def bounds(self) -> tuple[SessionBound, ...]:
        return compute_bounds(self.timeline, self.runs, self.phases)

    @cached_property
    def detours(self) -> tuple[Detour, ...]:
        return compute_detours(self.timeline, self.runs, self.waits, self.node_runs)

    @cached_property
    def attribution(self) -> Attribution:
        return compute_attribution(self.timeline)

    @cached_property
    def integrity(self) -> Integrity:
        return compute_integrity(self.timeline, self.waits)

    @cached_property
    def overhead(self) -> Overhead:
        return compute_overhead(self.timeline, self.runs, self.phases)

    @cached_property
    def believable(self) -> Believable:
        return compute_believable(self.timeline, self.idle, self.overhead.launch)
