from __future__ import annotations

from pathlib import Path

from scene import PROCESS, Scene

from ortprobe.timeline import Timeline

CPU = ("CPUExecutionProvider",)
ALONE, ROUNDS = 6, 12
DEFAULT = {"intra_op_num_threads": "0"}
"""A thread for each core, of which the machine of scenes has two."""
ONE = {"intra_op_num_threads": "1"}


def two_sessions(*, beside_us: int, options: dict[str, str], alone: int = ALONE) -> Scene:
    """Runs of 100 µs alone, then pairs of runs of both sessions at once that take `beside_us` each."""
    scene = Scene()
    for session in range(2):
        scene.session(
            session, -1000 + 100 * session, 50, providers=CPU, owner=session, session_options=options, site="app.py:3"
        )
    now_us = 0
    for turn in range(2 * alone + ROUNDS):
        pair = (0, 1) if turn >= 2 * alone else (turn % 2,)
        for session in pair:
            dur_us = beside_us if len(pair) == 2 else 100
            scene.hook("run", now_us + session, dur_us, session=session, thread=PROCESS + session)
        now_us += 1000
    return scene


def fault(folder: Path) -> Timeline:
    """Two sessions with a thread for each core take 400 µs at once, and 100 µs one by one."""
    return two_sessions(beside_us=400, options=DEFAULT).load(folder)


def near_miss(folder: Path) -> Timeline:
    """The same with one thread each, as many as there are processors."""
    return two_sessions(beside_us=400, options=ONE).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """The same without a word on the sessions' options."""
    return two_sessions(beside_us=400, options={}).load(folder)
