"""Loops of runs that go by simple rules, with or without a cost: what a change gives is known by making it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from scene import Scene

LAUNCH_US, GAP_US, EVENT_US, RETURN_US, CALL_US, SYNC_US = 8, 1, 2, 5, 2, 4
"""From a launching call to its kernel, between queued kernels, behind an event, from work to the end of a wait; how
long calls take."""
ORT, TORCH = 13, 7


@dataclass(frozen=True)
class LoopPlan:
    """Each pass runs some kernels, with host time between their launches, copies on torch's stream, and lets ORT's
    stream wait for that."""

    runs: int = 10
    kernels_us: tuple[int, ...] = (40, 40, 40)
    between_launches_us: int = 10
    between_runs_us: int = 30
    copy_us: int = 20
    waits_after_run: bool = False
    waits_in_run: bool = False
    copy_stream: int = TORCH
    untraced_us: int = 0
    """Pace of runs after the window; 0 for none."""

    def without(self, **changes: object) -> LoopPlan:
        return replace(self, **changes)


@dataclass
class PlayedLoop:
    """What happened, as a scene, and how long a pass took with the device's work included."""

    plan: LoopPlan
    scene: Scene = field(default_factory=lambda: Scene(window_us=(0, 100_000)))
    now_us: float = 100
    correlation: int = 0
    free_us: dict[int, float] = field(default_factory=dict)
    starts_us: list[float] = field(default_factory=list)
    done_us: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scene.session(0, 0, 20)
        for _ in range(self.plan.runs + 2):
            self._pass()
        for _ in range(8 if self.plan.untraced_us else 0):
            self.scene.hook("run", 200_000 + self.now_us, 10, session=0, attached=0)
            self.now_us += self.plan.untraced_us

    @property
    def pace_us(self) -> float:
        """Over all passes but the first and the last, which no loop holds: the last one ends it."""
        return (max(self.starts_us[-1], self.done_us[-2]) - self.starts_us[1]) / self.plan.runs

    def _pass(self) -> None:
        plan = self.plan
        start_us = self.now_us
        self.starts_us.append(start_us)
        self._run()
        self.scene.hook("run", start_us, self.now_us - start_us, session=0, attached=2)
        if plan.copy_us:
            self._launch("Memcpy DtoD (Device -> Device)", plan.copy_us, plan.copy_stream)
            if plan.copy_stream != ORT:
                self._order()
        self.done_us.append(max(done_us for stream, done_us in self.free_us.items() if stream > 0))
        if plan.waits_after_run:
            self._sync()
        self.now_us += plan.between_runs_us

    def _run(self) -> None:
        self.now_us += 5
        for number, length_us in enumerate(self.plan.kernels_us):
            self._launch(f"kernel {number}", length_us, ORT)
            self.now_us += self.plan.between_launches_us
        if self.plan.waits_in_run:
            self._sync(ORT)
        self.now_us += 5

    def _launch(self, name: str, length_us: float, stream: int) -> None:
        self.correlation += 1
        gate_us = self.free_us.pop(-stream, 0)
        ready_us = max(self.now_us + LAUNCH_US, self.free_us.get(stream, -GAP_US) + GAP_US, gate_us)
        if name.startswith("Memcpy"):
            self.scene.call("cudaMemcpyAsync", self.now_us, CALL_US, self.correlation)
            self.scene.memcpy(name, ready_us, length_us, self.correlation, stream=stream)
        else:
            self.scene.call("cudaLaunchKernel", self.now_us, CALL_US, self.correlation)
            self.scene.kernel(name, ready_us, length_us, self.correlation, stream=stream)
        self.free_us[stream] = ready_us + length_us
        self.now_us += CALL_US

    def _order(self) -> None:
        """ORT's stream waits for what torch's has been given."""
        record = self.correlation + 1
        self.scene.call("cudaEventRecord", self.now_us, 1, record)
        self.scene.call("cudaStreamWaitEvent", self.now_us + 1, 1, record + 1)
        self.scene.wait(
            "Stream Wait Event", self.now_us + 1, 1, record + 1, stream=ORT, waited_stream=TORCH, record=record
        )
        self.correlation += 2
        self.free_us[-ORT] = self.free_us[TORCH] + EVENT_US
        self.now_us += 2

    def _sync(self, stream: int | None = None) -> None:
        self.correlation += 1
        streams = [each for each in self.free_us if each > 0] if stream is None else [stream]
        done_us = max(self.free_us[each] for each in streams)
        end_us = self.now_us + SYNC_US
        if done_us > self.now_us:
            end_us = max(end_us, done_us + RETURN_US)
        name, kind = (
            ("cudaDeviceSynchronize", "Context Sync") if stream is None else ("cudaStreamSynchronize", "Stream Sync")
        )
        self.scene.call(name, self.now_us, end_us - self.now_us, self.correlation)
        self.scene.wait(
            kind, self.now_us, end_us - self.now_us, self.correlation, stream=-1 if stream is None else stream
        )
        self.now_us = end_us
