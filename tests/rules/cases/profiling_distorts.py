from __future__ import annotations

from pathlib import Path

import captures
from scene import Scene

from ortprobe.ingest import load_bundle
from ortprobe.timeline import Timeline


def runs_with_nodes(traced_us: int, untraced_us: int, *, nodes: int = 20, untraced: int = 6) -> Scene:
    """Seven runs with ORT's profile on, then so many without."""
    scene = Scene()
    profile = scene.profile()
    scene.session(0, -1000, 50)
    now_us = 0
    for number in range(7 + untraced):
        attached = int(number < 7)
        dur_us = traced_us if attached else untraced_us
        scene.hook("run", now_us, dur_us, session=0, attached=attached, site="app.py:1")
        if attached:
            profile.run(now_us + 1, dur_us - 2)
            step_us = (dur_us - 6) // nodes
            for node in range(nodes):
                profile.node(f"n{node}", now_us + 3 + node * step_us, step_us - 1, index=node)
        now_us += dur_us + 50
    return scene


def fault(folder: Path) -> Timeline:
    """Traced runs take four times as long as others."""
    return runs_with_nodes(800, 200).load(folder)


def near_miss(folder: Path) -> Timeline:
    """A chain of tiny kernels on an H100, whose traced runs take 2.8 times as long."""
    return load_bundle(captures.DATA / "h100-workloads" / "tiny-threads.ortprobe")


def cant_tell(folder: Path) -> Timeline:
    """Traced runs of two nodes, and none without tracing."""
    return runs_with_nodes(800, 200, nodes=2, untraced=0).load(folder)
