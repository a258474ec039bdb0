from __future__ import annotations

from pathlib import Path

import captures
from scene import PROCESS, Scene

from ortprobe.ingest import load_bundle
from ortprobe.timeline import Timeline

CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")
ALONE, ROUNDS = 8, 12


def two_threads(
    *, beside_us: int, alone: int = ALONE, traced: bool = True, streams: tuple[int, int] = (13, 13)
) -> Scene:
    """Runs of 100 µs alone, then pairs of runs on two threads and two sessions that take `beside_us` each."""
    scene = Scene(window_us=(0, 100_000)) if traced else Scene()
    for session in range(2):
        scene.session(session, -1000 + 100 * session, 50, providers=CUDA, owner=session)
    now_us, correlation = 0, 1
    for turn in range(2 * alone + ROUNDS):
        pair = (0, 1) if turn >= 2 * alone else (turn % 2,)
        for place, session in enumerate(pair):
            thread, call_us = PROCESS + session, now_us + 4 * place
            dur_us = beside_us if len(pair) == 2 else 100
            scene.hook("run", call_us, dur_us, session=session, attached=2 * traced, site="pool.py:9", thread=thread)
            if traced:
                begin_us = now_us + 10 + 45 * place
                scene.launch("k", call_us + 2, begin_us, 40, correlation, stream=streams[session], thread=thread)
            correlation += 1
        now_us += 400
    return scene


def fault(folder: Path) -> Timeline:
    """Two runs of two sessions on one stream take 300 µs at once, and 100 µs one by one."""
    return two_threads(beside_us=300).load(folder)


def near_miss(folder: Path) -> Timeline:
    """Two threads with a session and a stream each, recorded on an H100."""
    return load_bundle(captures.DATA / "h100-workloads" / "tiny-threads.ortprobe")


def cant_tell(folder: Path) -> Timeline:
    """The same runs at once, without a trace that has their streams."""
    return two_threads(beside_us=300, traced=False).load(folder)
