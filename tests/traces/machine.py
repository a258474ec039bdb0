"""Runs a program on host threads and streams, and notes to the nanosecond what happens.

Host margins are those of real captures: launches begin at least 1.9 µs inside of their node and end at least 2 µs
before its end, nodes of one thread follow one another (measured on an H100: 1.9 µs and 4.9 µs).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from traces.device import Reached, Streams
from traces.history import (
    NOTHING,
    Call,
    EventRecorded,
    Executed,
    Execution,
    History,
    HistoryThread,
    HostWaited,
    Op,
    Overhead,
    RunMade,
    SessionMade,
    StreamWaited,
    Work,
)
from traces.program import (
    OWN_STREAM,
    CudaStep,
    EndProfiling,
    EventRecord,
    GraphLaunch,
    HostCall,
    HostWait,
    Launch,
    Node,
    Pause,
    Program,
    Run,
    SetProviders,
    Step,
    StreamKind,
    StreamWait,
    Sync,
    TorchOp,
    WorkKind,
)

_FIRST_NATIVE_ID = 4242
_HostTime = Iterator[int]
"""What a thread does: yields when it enters its next CUDA call, so that calls of all threads happen in their order."""

_LAUNCH_CALLS = {
    WorkKind.KERNEL: "cudaLaunchKernel",
    WorkKind.MEMCPY: "cudaMemcpyAsync",
    WorkKind.MEMSET: "cudaMemsetAsync",
}
_SYNC_CALLS = {
    HostWait.STREAM: "cudaStreamSynchronize",
    HostWait.EVENT: "cudaEventSynchronize",
    HostWait.DEVICE: "cudaDeviceSynchronize",
    HostWait.QUERY: "cudaEventQuery",
}


@dataclass(slots=True, kw_only=True)
class _Host:
    """A thread, and what it is inside of."""

    number: int
    now_ns: int = 0
    order: int = 0
    external: int = 0
    execution: int = NOTHING
    run: int = NOTHING
    own_stream: int = NOTHING


def execute(program: Program) -> History:
    """What happens when the program runs. The same for the same program, always."""
    return _Machine(program).execute()


class _Machine:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._history = History(program=program)
        self._streams = Streams(program.streams, program.device_pace_ns)
        self._random = Random(program.pace)
        self._correlation = 0
        self._events: dict[int, tuple[int, Reached]] = {}
        self._session_of: dict[int, int] = {}

    def execute(self) -> History:
        hosts = [_Host(number=number) for number in range(len(self._program.threads))]
        for host in hosts:
            low32 = self._random.getrandbits(31) | (host.number % 2 << 31)
            self._history.threads.append(HistoryThread(native_id=_FIRST_NATIVE_ID + host.number, ident_low32=low32))
        for owner in range(len(self._program.owners)):
            self._all_at_once([(hosts[0], self._make_session(hosts[0], owner))])
        for host in hosts[1:]:
            host.now_ns, host.order = hosts[0].now_ns + self._some(1_000, 9_000), hosts[0].order
        self._all_at_once(
            [(host, self._steps(host, steps)) for host, steps in zip(hosts, self._program.threads, strict=True)]
        )
        ends_ns = [host.now_ns for host in hosts] + [work.end_ns for work in self._history.works]
        self._history.end_ns = max(ends_ns)
        return self._history

    def _all_at_once(self, threads: list[tuple[_Host, _HostTime]]) -> None:
        queue = [(host.now_ns, host.number, steps) for host, steps in threads]
        heapq.heapify(queue)
        while queue:
            _, number, steps = heapq.heappop(queue)
            entered_ns = next(steps, None)
            if entered_ns is not None:
                heapq.heappush(queue, (entered_ns, number, steps))

    def _some(self, least_ns: int, most_ns: int) -> int:
        return self._random.randint(least_ns, most_ns)

    def _steps(self, host: _Host, steps: tuple[Step, ...]) -> _HostTime:
        for step in steps:
            host.now_ns += self._some(1_000, 4_000)
            match step:
                case Pause():
                    host.now_ns += step.duration_ns
                case TorchOp():
                    yield from self._torch_op(host, step)
                case Run():
                    yield from self._run(host, step)
                case SetProviders():
                    yield from self._make_session(host, step.owner)
                case EndProfiling():
                    self._history.profiling_end_ns.setdefault(self._session_of[step.owner], host.now_ns)
                case _:
                    yield from self._cuda(host, step)

    def _cuda(self, host: _Host, step: CudaStep) -> _HostTime:
        yield host.now_ns
        match step:
            case Launch():
                self._launch(host, step)
                if self._random.random() < 0.3:
                    host.now_ns += self._some(100, 400)
                    yield host.now_ns
                    self._call(host, "cudaPeekAtLastError", self._some(300, 1_200))
            case GraphLaunch():
                self._graph(host, step, [""] * len(step.kernels))
            case EventRecord():
                self._record(host, step)
            case StreamWait():
                self._stream_wait(host, step)
            case Sync():
                self._sync(host, step)
            case HostCall():
                self._call(host, step.name, step.duration_ns)
        host.now_ns += self._some(200, 1_500)

    def _call(self, host: _Host, name: str, duration_ns: int, *, is_written: bool = True) -> int:
        """Note a call that begins now; its thread goes on at its end."""
        self._correlation += self._some(1, 3)
        start_ns, host.now_ns = host.now_ns, host.now_ns + duration_ns
        self._history.calls.append(
            Call(
                name=name, start_ns=start_ns, end_ns=host.now_ns, thread=host.number, correlation=self._correlation,
                external=host.external, execution=host.execution, run=host.run, is_written=is_written,
            )
        )  # fmt: skip
        return len(self._history.calls) - 1

    def _launch(self, host: _Host, launch: Launch) -> None:
        entered_ns = host.now_ns
        duration_ns = self._some(1_900, 6_000) + launch.overhead_ns
        call = self._call(host, _LAUNCH_CALLS[launch.kind], duration_ns, is_written=launch.has_call)
        if launch.overhead:
            self._history.overheads.append(
                Overhead(
                    name=launch.overhead, start_ns=entered_ns + 900, end_ns=entered_ns + 900 + launch.overhead_ns,
                    call=call,
                )
            )  # fmt: skip
        ready = Reached(at_ns=self._arrival(entered_ns + launch.overhead_ns, host), order=host.order)
        work = self._work(host, launch, launch.stream, call, ready)
        if "DtoH" in launch.name and "Pageable" in launch.name:
            host.order |= work.ordered_after | 1 << (len(self._history.works) - 1)
            self._return_at(host, call, work.end_ns)

    def _arrival(self, entered_ns: int, host: _Host) -> int:
        """When a launch whose call has just returned reaches the device: from 1.5 µs after its entry to 2.9 after it
        returned (measured on an H100)."""
        return self._some(entered_ns + 1_500, host.now_ns + 2_900)

    def _graph(self, host: _Host, launch: GraphLaunch, captured_in: list[str]) -> None:
        entered_ns = host.now_ns
        call = self._call(host, "cudaGraphLaunch", self._some(4_000, 9_000))
        ready = Reached(at_ns=self._arrival(entered_ns, host), order=host.order)
        for kernel, node in zip(launch.kernels, captured_in, strict=True):
            self._work(host, kernel, launch.stream, call, ready, graph=launch.graph, captured_in=node)

    def _work(
        self, host: _Host, launch: Launch, stream: int, call: int, ready: Reached, *, graph: int = 0,
        captured_in: str = "",
    ) -> Work:  # fmt: skip
        stream = host.own_stream if stream == OWN_STREAM else stream
        number = len(self._history.works)
        start_ns, end_ns, order, stalls = self._streams.enqueue(stream, ready, launch.duration_ns, number)
        work = Work(
            kind=launch.kind, name=launch.name, ready_ns=ready.at_ns, start_ns=start_ns, end_ns=end_ns, stream=stream,
            call=call, blocks=launch.blocks, size_bytes=launch.size_bytes, graph=graph, ordered_after=order,
            captured_in=captured_in,
        )  # fmt: skip
        self._history.works.append(work)
        for wait, stall_ns in stalls.items():
            waited = self._history.stream_waits[wait]
            self._history.stream_waits[wait] = replace(waited, held=number, stall_ns=stall_ns)
        return work

    def _record(self, host: _Host, step: EventRecord) -> None:
        stream = host.own_stream if step.stream == OWN_STREAM else step.stream
        host_point = Reached(at_ns=host.now_ns, order=host.order)
        call = self._call(host, "cudaEventRecord", self._some(1_000, 3_000))
        reached = self._streams.pass_by(stream, host_point)
        self._events[step.event] = (len(self._history.records), reached)
        self._history.records.append(EventRecorded(event=step.event, stream=stream, call=call, at_ns=reached.at_ns))

    def _stream_wait(self, host: _Host, step: StreamWait) -> None:
        host_point = Reached(at_ns=host.now_ns, order=host.order)
        call = self._call(host, "cudaStreamWaitEvent", self._some(1_000, 3_000), is_written=step.has_call)
        record, event = self._events.get(step.event, (NOTHING, Reached()))
        self._streams.wait(step.stream, event, host_point, len(self._history.stream_waits))
        self._history.stream_waits.append(
            StreamWaited(stream=step.stream, event=step.event, call=call, record=record, held=NOTHING, stall_ns=0)
        )

    def _sync(self, host: _Host, step: Sync) -> None:
        record, reached, device = NOTHING, Reached(), 0
        if step.kind is HostWait.STREAM:
            reached, device = self._streams.tail(step.of), self._program.streams[step.of].device
        elif step.kind is HostWait.DEVICE:
            reached, device = self._streams.tail_of_device(step.of), step.of
        else:
            record, reached = self._events.get(step.of, (NOTHING, Reached()))
            device = self._device_of(record)
        start_ns = host.now_ns
        call = self._call(host, _SYNC_CALLS[step.kind], self._some(3_000, 6_000))
        stall_ns = 0
        if step.kind is not HostWait.QUERY:
            self._return_at(host, call, reached.at_ns)
            host.order |= reached.order
            stall_ns = max(reached.at_ns - start_ns, 0)
        self._history.host_waits.append(
            HostWaited(kind=step.kind, of=step.of, call=call, record=record, stall_ns=stall_ns, device=device)
        )

    def _device_of(self, record: int) -> int:
        return self._program.streams[self._history.records[record].stream].device if record != NOTHING else 0

    def _return_at(self, host: _Host, call: int, done_ns: int) -> None:
        """Let a call last until work is done."""
        host.now_ns = max(host.now_ns, done_ns + self._some(500, 2_000))
        self._history.calls[call] = replace(self._history.calls[call], end_ns=host.now_ns)

    def _torch_op(self, host: _Host, step: TorchOp) -> _HostTime:
        number, outer = len(self._history.ops), host.external
        self._history.ops.append(
            Op(name=step.name, start_ns=host.now_ns, end_ns=-1, thread=host.number, external=number + 1)
        )
        host.external = number + 1
        yield from self._steps(host, step.steps)
        host.now_ns += self._some(1_000, 3_000)
        host.external = outer
        self._history.ops[number] = replace(self._history.ops[number], end_ns=host.now_ns)

    def _make_session(self, host: _Host, owner: int) -> _HostTime:
        yield host.now_ns
        start_ns, number = host.now_ns, len(self._history.sessions)
        profiling_start_ns = start_ns + self._some(2_000, 9_000)
        load = (profiling_start_ns + self._some(1_000, 9_000), profiling_start_ns + self._some(20_000, 60_000))
        initialize = (load[1] + self._some(1_000, 9_000), load[1] + self._some(50_000, 200_000))
        host.now_ns = initialize[1] + self._some(1_000, 9_000)
        self._history.sessions.append(
            SessionMade(
                owner=owner, replaces=self._session_of.get(owner, NOTHING), thread=host.number, start_ns=start_ns,
                end_ns=host.now_ns, load=load, initialize=initialize, profiling_start_ns=profiling_start_ns,
            )
        )  # fmt: skip
        self._session_of[owner] = number

    def _run(self, host: _Host, step: Run) -> _HostTime:
        number, owner = len(self._history.runs), self._program.owners[step.owner]
        session, start_ns = self._session_of[step.owner], host.now_ns
        host.now_ns += self._some(2_600, 9_000)
        model_start_ns = host.now_ns
        run = RunMade(
            session=session, thread=host.number, start_ns=start_ns, end_ns=-1, model_run=(model_start_ns, -1),
            is_replay=step.is_replay, branch=step.branch,
        )  # fmt: skip
        self._history.runs.append(run)
        host.run, host.own_stream = number, owner.stream
        host.now_ns += self._some(2_500, 6_000)
        yield from self._replay(host, step) if step.is_replay else self._model(host, step)
        model_end_ns = host.now_ns + self._some(2_500, 5_000)
        host.now_ns = model_end_ns + self._some(1_700, 5_000)
        host.run = host.own_stream = NOTHING
        self._history.runs[number] = replace(run, end_ns=host.now_ns, model_run=(model_start_ns, model_end_ns))

    def _model(self, host: _Host, step: Run) -> _HostTime:
        owner = self._program.owners[step.owner]
        model = self._program.models[owner.model]
        for feed in model.feeds:
            yield from self._cuda(host, feed)
        host.now_ns += self._some(1_000, 3_000)
        yield from self._graph_of_nodes(host, model.nodes, step.branch, numbered_from=0, between=model.between)
        host.now_ns += self._some(2_000, 3_000)
        for fetch in model.fetches:
            yield from self._cuda(host, fetch)
        if model.ends_with_sync:
            yield from self._end_of_run(host, owner.stream)

    def _end_of_run(self, host: _Host, stream: int) -> _HostTime:
        """ORT waits for the legacy stream, then for its own (onnxruntime 1.31.1)."""
        device = self._program.streams[stream].device
        for number, spec in enumerate(self._program.streams):
            if spec.kind is StreamKind.LEGACY and spec.device == device and number != stream:
                yield from self._cuda(host, Sync(kind=HostWait.STREAM, of=number))
        yield from self._cuda(host, Sync(kind=HostWait.STREAM, of=stream))

    def _graph_of_nodes(
        self, host: _Host, nodes: tuple[Node, ...], branch: int, *, numbered_from: int,
        between: tuple[Launch, ...] = (),
    ) -> _HostTime:  # fmt: skip
        start_ns = host.now_ns
        for index, node in enumerate(nodes, numbered_from):
            host.now_ns += self._some(100, 2_500)
            yield from self._node(host, node, index, branch)
            if index == numbered_from:
                for launch in between:
                    host.now_ns += self._some(500, 2_000)
                    yield from self._cuda(host, launch)
        host.now_ns += self._some(300, 2_000)
        self._history.executed.append(Executed(run=host.run, start_ns=start_ns, end_ns=host.now_ns))

    def _node(self, host: _Host, node: Node, index: int, branch: int) -> _HostTime:
        number, outer = len(self._history.executions), host.execution
        execution = Execution(
            node=node, index=index, session=self._history.runs[host.run].session, run=host.run, start_ns=host.now_ns,
            end_ns=-1, thread=host.number,
        )  # fmt: skip
        self._history.executions.append(execution)
        host.execution = number
        host.now_ns += self._some(1_900, 5_000)
        host.now_ns += node.host_ns
        for launch in node.launches:
            yield from self._cuda(host, launch)
        if node.branches:
            subgraph = node.branches[branch % len(node.branches)]
            for _ in range(node.iterations):
                yield from self._graph_of_nodes(host, subgraph, branch, numbered_from=100 * (index + 1))
        host.now_ns += self._some(2_000, 6_000)
        host.execution = outer
        self._history.executions[number] = replace(execution, end_ns=host.now_ns)

    def _replay(self, host: _Host, step: Run) -> _HostTime:
        owner = self._program.owners[step.owner]
        kernels = list(_captured(self._program.models[owner.model].nodes, step.branch))
        yield host.now_ns
        graph = GraphLaunch(kernels=tuple(kernel for _, kernel in kernels), graph=step.owner + 1, stream=owner.stream)
        self._graph(host, graph, [node for node, _ in kernels])
        yield from self._end_of_run(host, owner.stream)


def _captured(nodes: tuple[Node, ...], branch: int) -> Iterator[tuple[str, Launch]]:
    for node in nodes:
        yield from ((node.name, launch) for launch in node.launches)
        if node.branches:
            for _ in range(node.iterations):
                yield from _captured(node.branches[branch % len(node.branches)], branch)
