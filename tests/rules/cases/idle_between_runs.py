from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline


def loop(rounds: int, busy_us: int, pause_us: int) -> Scene:
    """Runs that keep the GPU busy to their end, with torch ops between them."""
    scene, period = Scene(), busy_us + pause_us
    for number in range(rounds):
        begin = number * period
        scene.hook("run", begin, busy_us, session=0, attached=2)
        scene.launch("k", begin + 2, begin + 5, busy_us - 5, number + 1)
        scene.torch_op("aten::stack", begin + busy_us + 1, pause_us - 2)
    return scene.session(0, -1000, 100)


def fault(folder: Path) -> Timeline:
    """The GPU waits for the host for 40 % of each round."""
    return loop(8, 60, 40).load(folder)


def near_miss(folder: Path) -> Timeline:
    """It is fed in time, except for one round that pauses for 50 ms."""
    scene = loop(8, 95, 5)
    return scene.hook("run", 50_000, 95, session=0, attached=2).launch("k", 50_002, 50_005, 90, 99).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Three rounds, too few for a loop."""
    return loop(3, 60, 40).load(folder)
