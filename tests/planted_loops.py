"""Captures of a loop with known truth: what a run and the time between two consist of, to the microsecond."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle

WATCHED = 8
"""Runs with everything attached, before those with the hooks alone."""
EVERY_US = 2_000


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A loop around one session: a run launches its nodes, 100 µs of the GPU each, and waits for them."""

    nodes: tuple[str, ...] = ("a", "b")
    node_us: dict[str, int] = field(default_factory=dict)
    """GPU time of nodes that take another time than 100 µs."""
    host_us: int = 0
    """ORT's own host code, before it launches anything."""
    between_us: int = 0
    """What the program does between runs, beyond what there is anyway."""
    untraced_us: int = 0
    """What only runs with the hooks alone take longer."""
    runs: int = 40
    model: str = "model.onnx"
    noise: float = 0.01
    seed: int = 0

    def write(self, folder: Path) -> Path:
        """Its bundle."""
        scene = Scene(window_us=(0, WATCHED * (EVERY_US + self.between_us) + 100))
        profile = scene.profile()
        scene.session(0, 0, 5, model_path=self.model)
        random = np.random.default_rng(self.seed)
        work_us = {name: self.node_us.get(name, 100) for name in self.nodes}
        start_us = 100.0
        for number in range(WATCHED + self.runs):
            watched = number < WATCHED
            steady_us = 60 + self.host_us + sum(work_us.values()) + 10
            if watched:
                scene.hook("run", start_us, steady_us, session=0, attached=3)
                profile.run(int(start_us) + 4, steady_us - 8)
                profile.events[-1]["dur"] = 40 + self.host_us + 10 * len(self.nodes)
                self._work(scene, int(start_us), work_us, 100 * number)
                start_us += EVERY_US + self.between_us
            else:
                took_us = (steady_us + self.untraced_us) * np.exp(random.normal(0, self.noise))
                scene.hook("run", start_us, took_us, session=0, attached=0)
                start_us += took_us + 100 + self.between_us
        return scene.write_bundle(folder)

    def _work(self, scene: Scene, start_us: int, work_us: dict[str, int], first: int) -> None:
        """Launches 10 µs apart, kernels back to back, and a wait for the last one."""
        launch_us, free_us = start_us + 20 + self.host_us, start_us + 40 + self.host_us
        for row, (name, busy_us) in enumerate(work_us.items()):
            scene.profiles[0].node(name, launch_us - 2, 8, index=row)
            scene.launch(f"k_{name}", launch_us, free_us, busy_us, first + row + 1)
            launch_us, free_us = launch_us + 10, free_us + busy_us
        wait_us = launch_us + 5
        scene.call("cudaStreamSynchronize", wait_us, free_us + 2 - wait_us, first + 90)
        scene.wait("Stream Sync", wait_us, free_us + 2 - wait_us, first + 90, stream=7)

    def analyses(self, folder: Path) -> Analyses:
        """The capture, read back."""
        return Analyses(load_bundle(self.write(folder)))
