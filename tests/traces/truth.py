"""What belongs to what in a capture, and which of that its files let a reader know."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from traces.history import NOTHING
from traces.origin import Origin, What
from traces.recording import Recorded, trace_thread
from traces.written import Written

MUST_LEAVE_WORK = ("cudaLaunchKernel", "cudaGraphLaunch")
"""Copies and fills need not: those of no bytes leave no record."""
NodeKey = tuple[int, str]
"""A node of a C session: (session, name). Names of nodes are unique within a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A true link of one row."""

    to: object
    """None where there is none, so that any link found is wrong."""
    is_knowable: bool
    """Whether the files hold what shows it, so that it has to be found."""


class Truth:
    """The true links of a written capture, for every call, every work and every wait that it holds.

    What is knowable is so if ORT's profiles lie where they should; a reader that doubts where they lie need not know.
    """

    def __init__(self, written: Written) -> None:
        self._written = written
        self._history = written.history

    @cached_property
    def launches(self) -> dict[Origin, Link]:
        """Device work and records → their calls, within one trace."""
        found = {}
        for recorded in self._written.windows.values():
            for origin in self._launched(recorded):
                call = self.call_of(origin)
                found[origin] = Link(to=Origin(What.CALL, call), is_knowable=call in recorded.calls)
        return found

    @cached_property
    def runs(self) -> dict[Origin, Link]:
        """Calls, works and waits → the number of the run, None outside of runs."""
        found = {}
        for recorded in self._written.windows.values():
            for number in recorded.calls:
                run = self._history.calls[number].run
                known = run != NOTHING and run in self._shown_runs and self._thread_is_known(recorded, number)
                found[Origin(What.CALL, number)] = Link(to=None if run == NOTHING else run, is_knowable=known)
        return self._with_launched(found, lambda origin: self._history.calls[self.call_of(origin)].run)

    @cached_property
    def nodes(self) -> dict[Origin, Link]:
        """Calls, works and waits → the node that made them, None where none did."""
        found = {}
        for recorded in self._written.windows.values():
            for number in recorded.calls:
                execution = self._history.calls[number].execution
                known = execution in self._profiled_executions and self._thread_is_known(recorded, number)
                found[Origin(What.CALL, number)] = Link(to=self._node(execution), is_knowable=known)
        linked = self._with_launched(found, self._node_of_work)
        return linked | {origin: Link(to=linked[origin].to, is_knowable=True) for origin in self._transferred}

    @cached_property
    def executions(self) -> dict[Origin, Link]:
        """Calls, works and waits → the execution of a node that made them, None where none did."""
        calls = self._history.calls
        return {
            origin: Link(to=_execution(calls[self._calling(origin)].execution), is_knowable=node.is_knowable)
            for origin, node in self.nodes.items()
            if origin not in self._transferred
        }

    @cached_property
    def losses(self) -> Counter[str]:
        """How many things the files should hold and lack, by the value of the `ProblemKind` that counts them.

        Launches without work count as such wherever in the trace they are.
        """
        lost: Counter[str] = Counter()
        calls, waits = self._history.calls, self._history.stream_waits
        for recorded in self._written.windows.values():
            launched = {self._history.works[number].call for number in recorded.works}
            lost["launches-without-work"] += sum(
                calls[number].name in MUST_LEAVE_WORK and number not in launched for number in recorded.calls
            )
            lost["work-without-launch"] += sum(
                self._history.works[number].call not in recorded.calls for number in recorded.works
            )
            unresolved = [
                number
                for number in recorded.stream_waits
                if not recorded.resolves(waits[number].record, self._written.recording)
            ]
            waited = {waits[number].call for number in recorded.stream_waits}
            recordless = [
                number
                for number in recorded.calls
                if calls[number].name == "cudaStreamWaitEvent" and number not in waited
            ]
            lost["waits-unresolved"] += len(unresolved)
            lost["waits-dropped"] += len(recordless)
        lost["profile-truncated"] += sum(profile.dropped for profile in self._written.profiles.values())
        return +lost

    def call_of(self, origin: Origin) -> int:
        """The call behind a work or a wait."""
        rows = getattr(self._history, origin.what.value)
        call = rows[origin.number].call
        assert isinstance(call, int)
        return call

    def _calling(self, origin: Origin) -> int:
        return origin.number if origin.what is What.CALL else self.call_of(origin)

    def _with_launched(self, of_calls, of_work) -> dict[Origin, Link]:
        """Add what calls launched: it has what its call has, if the call is there."""
        found = dict(of_calls)
        for origin, launch in self.launches.items():
            if launch.is_knowable and origin.what is not What.WORK:
                found[origin] = of_calls[launch.to]
            elif origin.what is What.WORK:
                known = launch.is_knowable and of_calls[launch.to].is_knowable
                to = of_work(origin)
                found[origin] = Link(to=None if to == NOTHING else to, is_knowable=known)
        return found

    def _node(self, execution: int) -> NodeKey | None:
        if execution == NOTHING:
            return None
        made = self._history.executions[execution]
        return made.session, made.node.name

    def _node_of_work(self, origin: Origin) -> NodeKey | None:
        work = self._history.works[origin.number]
        call = self._history.calls[work.call]
        if work.captured_in:
            return self._history.runs[call.run].session, work.captured_in
        return self._node(call.execution)

    def _thread_is_known(self, recorded: Recorded, call: int) -> bool:
        """The hook log has the names that CUPTI gives threads; bare files don't."""
        thread = self._history.calls[call].thread
        native_id = self._history.threads[thread].native_id
        return (
            self._written.is_bundle
            or trace_thread(self._history, self._written.recording, recorded, thread) == native_id
        )

    @cached_property
    def _shown_runs(self) -> frozenset[int]:
        """Runs that a reader can see: hooked, or in a profile."""
        return frozenset(range(len(self._history.runs))) if self._written.is_bundle else self.profiled_runs

    @cached_property
    def profiled_runs(self) -> frozenset[int]:
        """Runs whose `model_run` is in a profile."""
        return self._in_profiles(What.MODEL_RUN)

    @cached_property
    def _profiled_executions(self) -> frozenset[int]:
        return self._in_profiles(What.EXECUTION)

    def _in_profiles(self, what: What) -> frozenset[int]:
        return frozenset(
            origin.number
            for profile in self._written.profiles.values()
            for origin in profile.origins
            if origin is not None and origin.what is what
        )

    @cached_property
    def _transferred(self) -> frozenset[Origin]:
        """Work of hooked runs without a profile that did, piece by piece, what a fully profiled run of their session
        did; where such runs disagree about a node, it can't be known."""
        lenders: dict[tuple[object, ...], set[tuple[NodeKey | None, ...]]] = defaultdict(set)
        complete = dict(self._complete_runs())
        for run, works in complete.items():
            if self._is_wholly_profiled(run):
                nodes = tuple(self._node_of_work(Origin(What.WORK, work)) for work in works)
                if any(nodes):
                    lenders[self._sequence(run, works)].add(nodes)
        return frozenset(
            Origin(What.WORK, work)
            for run, works in complete.items()
            if run not in self.profiled_runs and not self._executions_of(run) & self._profiled_executions
            for work, lent in zip(works, self._lent(lenders, self._sequence(run, works)), strict=False)
            if lent is not None
        )

    def _lent(self, lenders, sequence: tuple[object, ...]) -> tuple[NodeKey | None, ...]:
        known = lenders.get(sequence, set())
        return next(iter(known)) if len(known) == 1 else ()

    def _sequence(self, run: int, works: list[int]) -> tuple[object, ...]:
        made = [self._history.works[work] for work in works]
        return (self._history.runs[run].session, *((one.name, one.blocks) for one in made))

    def _complete_runs(self) -> Iterator[tuple[int, list[int]]]:
        """Runs of which one trace holds every work with its call, if the reader can see them as runs, and that nothing
        else can be of: no work without a call ran meanwhile."""
        works_of, runs = self._history.works, self._history.runs
        orphans = [
            works_of[number]
            for recorded in self._written.windows.values()
            for number in recorded.works
            if works_of[number].call not in recorded.calls
        ]
        of_run = defaultdict(list)
        for number, work in enumerate(self._history.works):
            of_run[self._history.calls[work.call].run].append(number)
        for run, works in of_run.items():
            if run in self._shown_runs and self._written.is_bundle:
                calls = {self._history.works[work].call for work in works}
                is_whole = any(
                    calls <= one.calls and one.works.issuperset(works) for one in self._written.windows.values()
                )
                start_ns, end_ns = runs[run].start_ns, runs[run].end_ns
                if is_whole and not any(one.start_ns <= end_ns and one.end_ns >= start_ns for one in orphans):
                    yield run, works

    def _is_wholly_profiled(self, run: int) -> bool:
        """A replay is not: it executes no node, so its profile names none."""
        executions = self._executions_of(run)
        return run in self.profiled_runs and bool(executions) and executions <= self._profiled_executions

    def _executions_of(self, run: int) -> frozenset[int]:
        return self._executions_by_run[run]

    @cached_property
    def _executions_by_run(self) -> dict[int, frozenset[int]]:
        found: dict[int, set[int]] = {run: set() for run in range(len(self._history.runs))}
        for number, execution in enumerate(self._history.executions):
            found[execution.run].add(number)
        return {run: frozenset(numbers) for run, numbers in found.items()}

    def _launched(self, recorded: Recorded) -> Iterator[Origin]:
        event_rows = recorded.event_rows(self._written.recording)
        yield from (Origin(What.WORK, number) for number in sorted(recorded.works))
        yield from (Origin(What.STREAM_WAIT, number) for number in sorted(recorded.stream_waits))
        yield from (Origin(What.HOST_WAIT, number) for number in sorted(recorded.host_waits))
        yield from (Origin(What.RECORD, number) for number in sorted(event_rows))

    @property
    def has_device_work(self) -> bool:
        return any(recorded.works for recorded in self._written.windows.values())


def _execution(number: int) -> Origin | None:
    return None if number == NOTHING else Origin(What.EXECUTION, number)


def _is_execution(origin: Origin | None) -> bool:
    return origin is not None and origin.what is What.EXECUTION
