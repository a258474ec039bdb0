"""Programs whose order is right, and that wait more than it takes; and some where such a wait makes it right."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from race_loop import Batches, Loop, Program, Results

WAITING: dict[str, Program] = {}
HOST_WORK_S = 0.0015
"""What the host has to do besides, in programs that let it work."""
SLOW_KERNEL_CYCLES = 4_000_000
"""A kernel of one thread that spins so long, about two milliseconds, stands for one that fills little of the GPU."""


def waiting(expectation: str) -> Callable[[Callable[[Batches], Results]], Callable[[Batches], Results]]:
    """Register a program by its name, with the rule that should find the needless wait, or `healthy`."""

    def register(run: Callable[[Batches], Results]) -> Callable[[Batches], Results]:
        WAITING[run.__name__] = Program(run, expectation)
        return run

    return register


@waiting("needless wait: Y6")
def one_stream_synchronized(batches: Batches) -> Results:
    """Copy, run and clone are on one stream, and the host waits for the device in between. See `all_on_user_stream`."""
    stream = torch.cuda.Stream()
    loop = Loop(stream)
    with torch.cuda.stream(stream):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            torch.cuda.synchronize()
            loop.run()
            loop.keep()
    return loop.finish()


@waiting("needless wait: Y6")
def wait_stream_synchronized(batches: Batches) -> Results:
    """The session's stream waits for the copy, and the host as well. See `wait_stream_both_ways`."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    for batch in batches:
        loop.busy()
        loop.x.copy_(batch)
        torch.cuda.current_stream().synchronize()
        stream.wait_stream(torch.cuda.current_stream())
        loop.run()
        torch.cuda.current_stream().wait_stream(stream)
        loop.keep()
    return loop.finish()


@waiting("needless wait: Y6")
def event_after_each_clone(batches: Batches) -> Results:
    """All is on one stream, runs return at once, and the host waits behind each clone. See `async_on_user_stream`."""
    stream, event = torch.cuda.Stream(), torch.cuda.Event()
    loop = Loop(stream, asynchronous=True)
    with torch.cuda.stream(stream):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
            loop.keep()
            event.record()
            event.synchronize()
    return loop.finish()


@waiting("healthy")
def busy_default_stream(batches: Batches) -> Results:
    """torch has other work on the default stream that fills the GPU, so that waiting for it costs the run nothing. See
    `busy_beside_user_stream`."""
    loop = Loop()
    for batch in batches:
        loop.x.copy_(batch)
        torch.cuda.current_stream().synchronize()
        loop.busy()
        loop.run()
        loop.keep()
    return loop.finish()


@waiting("healthy")
def busy_beside_user_stream(batches: Batches) -> Results:
    """The same on a stream of the program's: the run waits for the copy alone, the host for the run alone."""
    stream = torch.cuda.Stream()
    loop = Loop(stream)
    for batch in batches:
        loop.x.copy_(batch)
        stream.wait_stream(torch.cuda.current_stream())
        loop.busy()
        loop.run()
        loop.keep()
    return loop.finish()


@waiting("healthy")
def run_end_orders(batches: Batches) -> Results:
    """The next input is copied to the default stream during a run, and the wait at the run's end is what orders it."""
    loop = Loop()
    inputs, outputs = ([torch.zeros_like(loop.x) for _ in range(2)] for _ in range(2))
    bindings = [loop.bind(x, y) for x, y in zip(inputs, outputs, strict=True)]
    inputs[0].copy_(batches[0])
    torch.cuda.synchronize()
    for at in range(len(batches)):
        if at + 1 < len(batches):
            loop.busy()
            inputs[(at + 1) % 2].copy_(batches[at + 1])
        loop.run(bindings[at % 2])
        loop.keep(outputs[at % 2])
    return loop.finish()


@waiting("abstains: Y6")
def other_torch_work_awaited(batches: Batches) -> Results:
    """The session's stream waits for torch's work on a third stream, which has to do with none of the buffers."""
    stream, other = torch.cuda.Stream(), torch.cuda.Stream()
    loop = Loop(stream)
    with torch.cuda.stream(stream):
        for batch in batches:
            with torch.cuda.stream(other):
                loop.busy()
            loop.x.copy_(batch)
            stream.wait_stream(other)
            loop.run()
            loop.keep()
    return loop.finish()


@waiting("needless wait: Y6")
def host_works_after_waiting(batches: Batches) -> Results:
    """The host waits for the GPU and then has work of its own. See `host_works_meanwhile`."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    with torch.cuda.stream(stream):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
            loop.keep()
            torch.cuda.synchronize()
            time.sleep(HOST_WORK_S)
    return loop.finish()


@waiting("healthy")
def host_works_meanwhile(batches: Batches) -> Results:
    """The same without waiting."""
    stream = torch.cuda.Stream()
    loop = Loop(stream, asynchronous=True)
    with torch.cuda.stream(stream):
        for batch in batches:
            loop.busy()
            loop.x.copy_(batch)
            loop.run()
            loop.keep()
            time.sleep(HOST_WORK_S)
    return loop.finish()


@waiting("run waits for torch: Y7")
def host_works_after_slow_kernel(batches: Batches) -> Results:
    """A slow kernel on the default stream leaves the GPU to the run, which then waits for it. So does the host, which
    has work of its own. See `host_works_beside_user_stream`."""
    loop = Loop()
    for batch in batches:
        loop.x.copy_(batch)
        torch.cuda.current_stream().synchronize()
        torch.cuda._sleep(SLOW_KERNEL_CYCLES)
        loop.run()
        time.sleep(HOST_WORK_S)
        loop.keep()
    return loop.finish()


@waiting("healthy")
def host_works_beside_user_stream(batches: Batches) -> Results:
    """The same with a stream of the program's for the run."""
    stream = torch.cuda.Stream()
    loop = Loop(stream)
    for batch in batches:
        loop.x.copy_(batch)
        stream.wait_stream(torch.cuda.current_stream())
        torch.cuda._sleep(SLOW_KERNEL_CYCLES)
        loop.run()
        time.sleep(HOST_WORK_S)
        loop.keep()
    return loop.finish()
