"""Programs with one planted race each; everything else in them is ordered.

Where a round ends with a wait for the whole device, that keeps the rounds apart: what a round lacks is its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from race_loop import DEVICE, SHAPE, Batches, Handover, Loop, Program, Results

RACY: dict[str, Program] = {}


def racy(code: str) -> Callable[[Callable[[Batches], Results]], Callable[[Batches], Results]]:
    """Register a program by its name, with the rule that should find its race."""

    def register(run: Callable[[Batches], Results]) -> Callable[[Batches], Results]:
        RACY[run.__name__] = Program(run, f"racy {code}")
        return run

    return register


@racy("Y1")
def default_no_wait(batches: Batches) -> Results:
    """`copy_` on torch's default stream; nothing makes onnxruntime's own stream wait for it."""
    loop = Loop()
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y1")
def side_no_wait(batches: Batches) -> Results:
    """`copy_` on a side stream; nothing waits for that stream before the run."""
    loop, side = Loop(), torch.cuda.Stream()
    for batch in batches:
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch)
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y1")
def event_before_write(batches: Batches) -> Results:
    """The event that everybody waits for was recorded before the write, and so says nothing about it."""
    loop, side, event = Loop(), torch.cuda.Stream(), torch.cuda.Event()
    for batch in batches:
        with torch.cuda.stream(side):
            event.record(side)
            loop.busy()
            loop.x.copy_(batch)
        torch.cuda.current_stream().wait_event(event)
        event.synchronize()
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y1")
def wrong_stream_waited(batches: Batches) -> Results:
    """The host waits for another stream than the one that writes."""
    loop, side, other = Loop(), torch.cuda.Stream(), torch.cuda.Stream()
    for batch in batches:
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch)
        other.synchronize()
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y1")
def pinned_no_wait(batches: Batches) -> Results:
    """A non-blocking copy from pinned host memory on a side stream; nothing waits for it before the run."""
    pinned = [batch.cpu().pin_memory() for batch in batches]
    loop, side = Loop(), torch.cuda.Stream()
    for batch in pinned:
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch, non_blocking=True)
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y1")
def out_argument_no_wait(batches: Batches) -> Results:
    """The input is the `out=` of a torch operation on the default stream; nothing waits for it before the run."""
    nothing = torch.zeros(SHAPE, device=DEVICE)
    loop = Loop()
    for batch in batches:
        loop.busy()
        torch.add(batch, nothing, out=loop.x)
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y1")
def thread_no_wait(batches: Batches) -> Results:
    """Another thread queues the copy on its stream and hands over through a queue before the copy is done."""
    loop, side = Loop(), torch.cuda.Stream()

    def produce(batch: torch.Tensor) -> None:
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch)

    handover = Handover(produce, batches)
    for _ in batches:
        handover.take()
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
        handover.used()
    handover.join()
    return loop.finish()


@racy("Y3")
def user_stream_default_write(batches: Batches) -> Results:
    """The session has a stream of torch's, but the input is written on the default stream, which it never awaits."""
    stream = torch.cuda.Stream()
    loop = Loop(stream)
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y3")
def user_stream_waits_too_early(batches: Batches) -> Results:
    """The session's stream waits for the default stream before the input is written there, not after."""
    stream = torch.cuda.Stream()
    loop = Loop(stream)
    for batch in batches:
        stream.wait_stream(torch.cuda.current_stream())
        loop.busy()
        loop.x.copy_(batch)
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y2")
def default_stream_handle(batches: Batches) -> Results:
    """The default stream's handle is 0, which onnxruntime ignores: the session runs on its own stream, unordered."""
    loop = Loop(torch.cuda.current_stream())
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y4")
def output_no_wait(batches: Batches) -> Results:
    """The run returns before it is complete, and the default stream reads the output without waiting for it."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        with torch.cuda.stream(stream):
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y4")
def output_event_too_early(batches: Batches) -> Results:
    """The default stream waits for an event that was recorded in front of the run, and then reads the output."""
    stream, event = torch.cuda.Stream(), torch.cuda.Event()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        with torch.cuda.stream(stream):
            loop.busy()
            loop.x.copy_(batch)
            event.record(stream)
            loop.run()
        torch.cuda.current_stream().wait_event(event)
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y5")
def refill_in_flight(batches: Batches) -> Results:
    """The default stream writes the next input while the run that reads the present one is still queued."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    loop.x.copy_(batches[0])
    torch.cuda.synchronize()
    for following in [*batches[1:], batches[0]]:
        with torch.cuda.stream(stream):
            loop.busy()
            loop.run()
            loop.keep()
        loop.x.copy_(following)
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y5")
def refill_event_too_early(batches: Batches) -> Results:
    """The refill waits for an event, but one that was recorded in front of the run that reads the input."""
    stream, event = torch.cuda.Stream(), torch.cuda.Event()
    loop = Loop(stream, asynchronous=True)
    loop.x.copy_(batches[0])
    torch.cuda.synchronize()
    for following in [*batches[1:], batches[0]]:
        with torch.cuda.stream(stream):
            event.record(stream)
            loop.busy()
            loop.run()
            loop.keep()
        torch.cuda.current_stream().wait_event(event)
        loop.x.copy_(following)
        torch.cuda.synchronize()
    return loop.finish()


@racy("B1")
def output_overwritten(batches: Batches) -> Results:
    """A slow reader on a side stream comes after its run, but the next run overwrites what it has yet to read."""
    stream, reader = torch.cuda.Stream(), torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        with torch.cuda.stream(stream):
            loop.x.copy_(batch)
            loop.run()
        reader.wait_stream(stream)
        with torch.cuda.stream(reader):
            loop.busy()
            loop.keep()
    return loop.finish()


@racy("Y9")
def dlpack_output_no_wait(batches: Batches) -> Results:
    """An OrtValue's memory becomes a tensor by DLPack after a run that is not complete, and is read at once."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(SHAPE, np.float32, DEVICE, 0)
    loop.binding.clear_binding_outputs()
    loop.binding.bind_ortvalue_output("y", value)
    for batch in batches:
        with torch.cuda.stream(stream):
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
        loop.keep(torch.utils.dlpack.from_dlpack(value))
        torch.cuda.synchronize()
    return loop.finish()


@racy("Y9")
def dlpack_input_no_wait(batches: Batches) -> Results:
    """A tensor that a side stream has yet to write becomes an input OrtValue by DLPack, and is read at once."""
    loop, side = Loop(), torch.cuda.Stream()
    for batch in batches:
        with torch.cuda.stream(side):
            loop.busy()
            loop.x.copy_(batch)
        loop.binding.bind_ortvalue_input("x", onnxruntime.OrtValue.from_dlpack(loop.x))
        loop.run()
        loop.keep()
        torch.cuda.synchronize()
    return loop.finish()
