"""Small captures with known truth: says in µs what happened, and writes the files that torch, ORT and hooks would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ortprobe.bundle import (
    AnyRecord,
    BundleWriter,
    Call,
    ClockAnchor,
    Ending,
    Environment,
    Manifest,
    ProfileEnded,
    SessionCreated,
    SessionReleased,
    Settings,
    Target,
    Window,
)
from ortprobe.ingest import load_bundle, load_files
from ortprobe.timeline import Timeline

EPOCH_NS = 1_795_000_000_000_000_000
PROCESS = 4242

Event = dict[str, object]


def at_ns(time_us: float) -> int:
    """A time of the scene as Unix epoch nanoseconds."""
    return EPOCH_NS + round(time_us * 1000)


@dataclass
class Profile:
    """The ORT profile of one C session."""

    events: list[Event] = field(default_factory=list)
    start_us: int = 0

    def load(self, start_us: int, dur_us: int) -> Profile:
        return self._add("Session", "model_loading_uri", start_us, dur_us)

    def initialize(self, start_us: int, dur_us: int) -> Profile:
        return self._add("Session", "session_initialization", start_us, dur_us)

    def run(self, start_us: int, dur_us: int, thread: int = PROCESS) -> Profile:
        """A run whose `Execute` fills all of it but the first and last microsecond."""
        self._add("Session", "model_run", start_us, dur_us, thread)
        return self._add("Session", "SequentialExecutor::Execute", start_us + 1, dur_us - 2, thread)

    def node(
        self, name: str, start_us: int, dur_us: int, *, op: str = "Conv", provider: str = "CUDAExecutionProvider",
        index: int = 0, thread: int = PROCESS,
    ) -> Profile:  # fmt: skip
        args: Event = {"op_name": op, "provider": provider, "node_index": str(index), "output_size": "64"}
        return self._add("Node", f"{name}_kernel_time", start_us, dur_us, thread, args)

    def _add(
        self, cat: str, name: str, start_us: int, dur_us: int, thread: int = PROCESS, args: Event | None = None
    ) -> Profile:
        self.events.append(
            {"cat": cat, "pid": PROCESS, "tid": thread, "dur": dur_us, "ts": start_us - self.start_us, "ph": "X",
             "name": name, "args": args or {}}
        )  # fmt: skip
        return self


@dataclass
class Scene:
    """One process: a torch trace, any number of ORT profiles, a hook log. Times in µs from the scene's start."""

    events: list[Event] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    records: list[AnyRecord] = field(default_factory=list)
    window_us: tuple[float, float] = (0, 0)
    """When the capture says that torch's profiler was attached; a trace within a second of it is believed."""

    def profile(self, start_us: int = 0) -> Profile:
        self.profiles.append(Profile(start_us=start_us))
        return self.profiles[-1]

    def torch_op(self, name: str, start_us: float, dur_us: float, *, external: int = 0, thread: int = PROCESS) -> Scene:
        return self._host("cpu_op", name, start_us, dur_us, thread, {"External id": external})

    def annotation(self, name: str, start_us: float, dur_us: float, *, thread: int = PROCESS) -> Scene:
        return self._host("user_annotation", name, start_us, dur_us, thread, {})

    def overhead(self, name: str, start_us: float, dur_us: float) -> Scene:
        return self._add("overhead", name, start_us, dur_us, -1, 0, {})

    def call(
        self,
        name: str,
        start_us: float,
        dur_us: float,
        correlation: int = 0,
        *,
        external: int = 0,
        thread: int = PROCESS,
    ) -> Scene:
        args: Event = {"cbid": 1, "correlation": correlation}
        return self._host(
            "cuda_runtime", name, start_us, dur_us, thread, args | ({"External id": external} if external else {})
        )

    def kernel(
        self, name: str, start_us: float, dur_us: float, correlation: int, *, stream: int = 7, device: int = 0,
        grid: Sequence[int] = (1, 1, 1), external: int = 0,
    ) -> Scene:  # fmt: skip
        args: Event = {"device": device, "context": 1, "stream": stream, "correlation": correlation, "grid": list(grid)}
        return self._add(
            "kernel", name, start_us, dur_us, device, stream, args | ({"External id": external} if external else {})
        )

    def launch(
        self, name: str, call_us: float, start_us: float, dur_us: float, correlation: int, *, stream: int = 7,
        device: int = 0, thread: int = PROCESS,
    ) -> Scene:  # fmt: skip
        """A kernel and the 2 µs call that launches it."""
        self.call("cudaLaunchKernel", call_us, 2, correlation, thread=thread)
        return self.kernel(name, start_us, dur_us, correlation, stream=stream, device=device)

    def memcpy(
        self, name: str, start_us: float, dur_us: float, correlation: int, *, stream: int = 7, device: int = 0,
        size_bytes: int = 1024,
    ) -> Scene:  # fmt: skip
        args: Event = {
            "device": device,
            "context": 1,
            "stream": stream,
            "correlation": correlation,
            "bytes": size_bytes,
        }
        return self._add("gpu_memcpy", name, start_us, dur_us, device, stream, args)

    def wait(
        self, kind: str, start_us: float, dur_us: float, correlation: int, *, stream: int = -1, waited_stream: int = -1,
        record: int = -1, device: int = 0,
    ) -> Scene:  # fmt: skip
        """`kind` as Kineto writes it: Stream Wait Event, Event Sync, Stream Sync or Context Sync."""
        args: Event = {
            "cuda_sync_kind": kind, "stream": stream, "correlation": correlation, "device": device, "context": 1,
            "wait_on_stream": waited_stream, "wait_on_cuda_event_record_corr_id": record, "wait_on_cuda_event_id": 1,
        }  # fmt: skip
        return self._add("cuda_sync", kind, start_us, dur_us, device, max(stream, 1), args)

    def hook(self, what: str, start_us: float, dur_us: float, *, thread: int = PROCESS, **fields: object) -> Scene:
        """A hooked call; `fields` are those of `bundle.Call`."""
        raw = {
            "type": "call",
            "what": what,
            "start_ns": at_ns(start_us),
            "end_ns": at_ns(start_us + dur_us),
            "thread": thread,
        }
        self.records.append(msgspec.convert(raw | fields, type=Call))
        return self

    def session(self, number: int, start_us: float, dur_us: float, **fields: object) -> Scene:
        """The creation of a C session; `fields` are those of `bundle.SessionCreated`. Profile `number` is its own."""
        raw: Event = {
            "type": "session", "session": number, "owner": 0, "reason": "constructor", "start_ns": at_ns(start_us),
            "end_ns": at_ns(start_us + dur_us), "thread": PROCESS,
        }  # fmt: skip
        if number < len(self.profiles):
            raw["profile_start_ns"] = at_ns(self.profiles[number].start_us)
        self.records.append(msgspec.convert(raw | fields, type=SessionCreated))
        return self

    def release(self, number: int, at_us: float) -> Scene:
        """The program lets go of a session."""
        self.records.append(SessionReleased(session=number, at_ns=at_ns(at_us)))
        return self

    def load(self, folder: Path) -> Timeline:
        """Write the files and read them back: as a bundle when there are hooks, as bare files otherwise."""
        if self.records:
            return load_bundle(self.write_bundle(folder / "scene.ortprobe"))
        folder.mkdir(parents=True, exist_ok=True)
        ort = [self.write_profile(folder, number) for number in range(len(self.profiles))]
        starts = [at_ns(profile.start_us) for profile in self.profiles]
        torch = [self.write_trace(folder)] if self.events else []
        return load_files(ort=[f"{path}@{start}" for path, start in zip(ort, starts, strict=True)], torch=torch)

    def write_bundle(self, folder: Path) -> Path:
        anchor = ClockAnchor(realtime_ns=EPOCH_NS, monotonic_ns=0, perf_counter_ns=0, bracket_ns=100)
        manifest = Manifest(
            ortprobe="0",
            target=Target(kind="script", name="scene"),
            process=PROCESS,
            clock=anchor,
            settings=Settings(),
            environment=Environment(python="3.11", platform="Linux", cpu_count=2),
            ending=Ending(clock=anchor, exit_code=0),
        )
        writer = BundleWriter(folder, manifest)
        for record in self.records:
            writer.append(record)
        for number in range(len(self.profiles)):
            writer.append(ProfileEnded(session=number, file=self.write_profile(folder, number).name, end_ns=EPOCH_NS))
        if self.events:
            writer.append(
                Window(
                    start_ns=at_ns(self.window_us[0]),
                    end_ns=at_ns(self.window_us[1]),
                    file=self.write_trace(folder).name,
                )
            )
        writer.close(manifest)
        return folder

    def write_profile(self, folder: Path, number: int) -> Path:
        path = folder / f"ort-{number}.json"
        path.write_text(json.dumps(self.profiles[number].events))
        return path

    def write_trace(self, folder: Path) -> Path:
        closing: Event = {"name": "Record Window End", "ph": "i", "s": "g", "pid": "", "tid": "", "ts": 0}
        trace = {"schemaVersion": 1, "baseTimeNanoseconds": EPOCH_NS, "traceEvents": [*self.events, closing]}
        path = folder / "torch-0.json"
        path.write_text(json.dumps(trace))
        return path

    def _host(self, cat: str, name: str, start_us: float, dur_us: float, thread: int, args: Event) -> Scene:
        return self._add(cat, name, start_us, dur_us, PROCESS, thread, args)

    def _add(self, cat: str, name: str, start_us: float, dur_us: float, pid: int, tid: int, args: Event) -> Scene:
        self.events.append(
            {"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": start_us, "dur": dur_us, "args": args}
        )
        return self
