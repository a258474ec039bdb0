"""Programs whose every read and write is ordered, in ways that a checker could miss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from race_loop import DEVICE, SHAPE, Batches, Handover, Loop, Program, Results, bind_input

ORDERED: dict[str, Program] = {}


def ordered(*, models: int = 1) -> Callable[[Callable[[Batches], Results]], Callable[[Batches], Results]]:
    """Register a program by its name; `models` is how many of them an input goes through."""

    def register(run: Callable[[Batches], Results]) -> Callable[[Batches], Results]:
        ORDERED[run.__name__] = Program(run, "healthy", models)
        return run

    return register


@ordered()
def default_synchronize(batches: Batches) -> Results:
    """The host waits for the default stream after the copy, which is also behind the last round's clone."""
    loop = Loop()
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        torch.cuda.current_stream().synchronize()
        loop.run()
        loop.keep()
    return loop.finish()


@ordered()
def device_synchronize(batches: Batches) -> Results:
    """A side stream writes, and the host waits for the whole device."""
    loop, side = Loop(), torch.cuda.Stream()
    for batch in batches:
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch)
        torch.cuda.synchronize()
        loop.run()
        loop.keep()
    return loop.finish()


@ordered()
def wait_stream_both_ways(batches: Batches) -> Results:
    """The session's stream waits for the default stream before the run, and the other way round after it."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        stream.wait_stream(torch.cuda.current_stream())
        loop.run()
        torch.cuda.current_stream().wait_stream(stream)
        loop.keep()
    return loop.finish()


@ordered()
def all_on_user_stream(batches: Batches) -> Results:
    """Copy, run and clone on the session's stream, which is torch's current one."""
    stream = torch.cuda.Stream()
    loop = Loop(stream)
    with torch.cuda.stream(stream):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
            loop.keep()
    return loop.finish()


@ordered()
def async_on_user_stream(batches: Batches) -> Results:
    """The same with runs that return before they are complete: nobody waits on the host."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    with torch.cuda.stream(stream):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
            loop.keep()
    return loop.finish()


@ordered()
def event_synchronize(batches: Batches) -> Results:
    """The host waits for an event behind the write; the clone is on the writing stream, in front of the next event."""
    loop, side, event = Loop(), torch.cuda.Stream(), torch.cuda.Event()
    with torch.cuda.stream(side):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            event.record(side)
            event.synchronize()
            loop.run()
            loop.keep()
    return loop.finish()


@ordered()
def event_polled(batches: Batches) -> Results:
    """The same, but the host asks until the event has happened."""
    loop, side, event = Loop(), torch.cuda.Stream(), torch.cuda.Event()
    with torch.cuda.stream(side):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            event.record(side)
            while not event.query():
                pass
            loop.run()
            loop.keep()
    return loop.finish()


@ordered()
def idle_middle_stream(batches: Batches) -> Results:
    """The session's stream waits for a stream without work of its own, which waits for the writing one."""
    writer, middle, stream = torch.cuda.Stream(), torch.cuda.Stream(), torch.cuda.Stream()
    written, passed_on = torch.cuda.Event(), torch.cuda.Event()
    loop = Loop(stream)
    for batch in batches:
        with torch.cuda.stream(writer):
            loop.busy()
            loop.x.copy_(batch)
        written.record(writer)
        middle.wait_event(written)
        passed_on.record(middle)
        stream.wait_event(passed_on)
        loop.run()
        with torch.cuda.stream(stream):
            loop.keep()
    return loop.finish()


@ordered()
def event_from_thread(batches: Batches) -> Results:
    """Another thread writes and records; the event comes through a queue, and the session's stream waits for it."""
    side, stream = torch.cuda.Stream(), torch.cuda.Stream()
    loop = Loop(stream)

    def produce(batch: torch.Tensor) -> torch.cuda.Event:
        event = torch.cuda.Event()
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch)
            event.record(side)
        return event

    handover = Handover(produce, batches)
    for _ in batches:
        stream.wait_event(handover.take())
        loop.run()
        with torch.cuda.stream(stream):
            loop.keep()
        handover.used()
    handover.join()
    return loop.finish()


@ordered()
def thread_synchronizes(batches: Batches) -> Results:
    """The writing thread waits for its stream before it hands over; the reading one before it hands back."""
    loop, side = Loop(), torch.cuda.Stream()

    def produce(batch: torch.Tensor) -> None:
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch)
        side.synchronize()

    handover = Handover(produce, batches)
    for _ in batches:
        handover.take()
        loop.run()
        loop.keep()
        torch.cuda.current_stream().synchronize()
        handover.used()
    handover.join()
    return loop.finish()


@ordered()
def record_stream(batches: Batches) -> Results:
    """Each input is a new tensor, freed while its run is in flight; `record_stream` keeps its memory until then."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        loop.busy()
        fresh = batch.clone()
        fresh.record_stream(stream)
        stream.wait_stream(torch.cuda.current_stream())
        bind_input(loop.binding, fresh)
        loop.run()
        del fresh
        with torch.cuda.stream(stream):
            loop.keep()
    return loop.finish()


@ordered()
def pageable_copy(batches: Batches) -> Results:
    """A blocking copy from pageable memory on the default stream, and a wait for that stream."""
    pageable = [batch.cpu() for batch in batches]
    loop = Loop()
    for batch in pageable:
        loop.busy()
        loop.x.copy_(batch)
        torch.cuda.current_stream().synchronize()
        loop.run()
        loop.keep()
    return loop.finish()


@ordered(models=2)
def two_sessions_one_stream(batches: Batches) -> Results:
    """One session's output is the other's input; both compute on the same stream and nobody waits on the host."""
    stream = torch.cuda.Stream()
    first, second = Loop(stream, asynchronous=True), Loop(stream, asynchronous=True)
    chained = second.bind(first.y, second.y)
    with torch.cuda.stream(stream):
        for batch in batches:
            first.busy()
            first.x.copy_(batch)
            first.run()
            second.run(chained)
            second.keep()
    return second.finish()


@ordered()
def cuda_graph(batches: Batches) -> Results:
    """The session replays a CUDA graph on the stream on which its buffers are written and read."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, enable_cuda_graph="1")
    with torch.cuda.stream(stream):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
            loop.keep()
    return loop.finish()


@ordered()
def numpy_feeds(batches: Batches) -> Results:
    """`session.run` from host memory to host memory, while torch keeps the GPU busy."""
    arrays = [batch.cpu().numpy() for batch in batches]
    loop = Loop()
    for array in arrays:
        loop.busy()
        loop.results.append(torch.from_numpy(loop.session.run(["y"], {"x": array})[0]))
    return loop.finish()


@ordered()
def double_buffered(batches: Batches) -> Results:
    """Two inputs in turns, with events both ways: written before the run, and run before it is written again."""
    stream, writer = torch.cuda.Stream(), torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    inputs = [loop.x, torch.zeros(SHAPE, device=DEVICE)]
    bindings = [loop.bind(x, loop.y) for x in inputs]
    written, used = ([torch.cuda.Event() for _ in inputs] for _ in range(2))
    torch.cuda.synchronize()
    for number, batch in enumerate(batches):
        turn = number % 2
        writer.wait_event(used[turn])  # not yet recorded in the first two rounds: nothing to wait for
        with torch.cuda.stream(writer):
            loop.busy()
            inputs[turn].copy_(batch)
            written[turn].record(writer)
        stream.wait_event(written[turn])
        loop.run(bindings[turn])
        used[turn].record(stream)
        with torch.cuda.stream(stream):
            loop.keep()
    return loop.finish()


@ordered()
def refill_after_event(batches: Batches) -> Results:
    """The default stream writes the next input behind an event that was recorded behind the run in flight."""
    stream, done = torch.cuda.Stream(), torch.cuda.Event()
    loop = Loop(stream, asynchronous=True)
    loop.x.copy_(batches[0])
    for following in [*batches[1:], batches[0]]:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loop.busy()
            loop.run()
            done.record(stream)
            loop.keep()
        torch.cuda.current_stream().wait_event(done)
        loop.x.copy_(following)
    return loop.finish()


@ordered()
def reader_awaited(batches: Batches) -> Results:
    """A slow reader on a side stream; the next run waits for it before it overwrites the output."""
    stream, reader = torch.cuda.Stream(), torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        with torch.cuda.stream(stream):
            loop.x.copy_(batch)
            stream.wait_stream(reader)
            loop.run()
        reader.wait_stream(stream)
        with torch.cuda.stream(reader):
            loop.busy()
            loop.keep()
    return loop.finish()


@ordered()
def host_copy_is_a_wait(batches: Batches) -> Results:
    """The output's copy to pageable memory returns when it is done, and with it the run: the input may be refilled."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loop.run()
            loop.results.append(loop.y.cpu())
    return loop.finish()


@ordered()
def dlpack_output_awaited(batches: Batches) -> Results:
    """An OrtValue's memory becomes a tensor by DLPack after the default stream was made to wait for the run."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(SHAPE, np.float32, DEVICE, 0)
    loop.binding.clear_binding_outputs()
    loop.binding.bind_ortvalue_output("y", value)
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        stream.wait_stream(torch.cuda.current_stream())
        loop.run()
        torch.cuda.current_stream().wait_stream(stream)
        loop.keep(torch.utils.dlpack.from_dlpack(value))
    return loop.finish()
