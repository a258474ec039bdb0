"""Small captures with known truth: says in µs what happened, and writes the files that torch, ORT and hooks would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from traces.bundle_rows import start_bundle, write_bundle
from traces.kineto_rows import (
    Event,
    Row,
    TraceLayout,
    call_row,
    complete,
    sync_row,
    window_end_row,
    work_row,
    write_rows,
)
from traces.ort_rows import ProfileLayout, node_row, session_row, write_profile

from ortprobe.bundle import (
    Anchor,
    AnyRecord,
    Call,
    ProfileEnded,
    SessionCreated,
    SessionReleased,
    Window,
)
from ortprobe.ingest import load_bundle, load_files
from ortprobe.timeline import Timeline

EPOCH_NS = 1_795_000_000_000_000_000
PROCESS = 4242


def at_ns(time_us: float) -> int:
    """A time of the scene as Unix epoch nanoseconds."""
    return EPOCH_NS + round(time_us * 1000)


@dataclass
class Profile:
    """The ORT profile of one C session."""

    events: list[Event] = field(default_factory=list)
    start_us: int = 0

    def load(self, start_us: int, dur_us: int) -> Profile:
        return self._session("model_loading_uri", start_us, dur_us)

    def initialize(self, start_us: int, dur_us: int) -> Profile:
        return self._session("session_initialization", start_us, dur_us)

    def run(self, start_us: int, dur_us: int, thread: int = PROCESS) -> Profile:
        """A run whose `Execute` fills all of it but the first and last microsecond."""
        self._session("model_run", start_us, dur_us, thread)
        return self._session("SequentialExecutor::Execute", start_us + 1, dur_us - 2, thread)

    def execute(self, start_us: int, dur_us: int, thread: int = PROCESS) -> Profile:
        """The `Execute` of a subgraph."""
        return self._session("SequentialExecutor::Execute", start_us, dur_us, thread)

    def node(
        self, name: str, start_us: int, dur_us: int, *, op: str = "Conv", provider: str = "CUDAExecutionProvider",
        index: int = 0, thread: int = PROCESS, shape: Sequence[int] = (), arena_bytes: int = 0,
    ) -> Profile:  # fmt: skip
        self.events.append(
            node_row(
                name, start_us - self.start_us, dur_us, process=PROCESS, thread=thread, op=op, provider=provider,
                index=index, shape=shape, arena_bytes=arena_bytes,
            )
        )  # fmt: skip
        return self

    def _session(self, name: str, start_us: int, dur_us: int, thread: int = PROCESS) -> Profile:
        row = session_row(name, start_us - self.start_us, dur_us, process=PROCESS, thread=thread)
        self.events.append(row)
        return self


@dataclass
class Scene:
    """One process: a torch trace, any number of ORT profiles, a hook log. Times in µs from the scene's start."""

    rows: list[Row] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    records: list[AnyRecord] = field(default_factory=list)
    window_us: tuple[float, float] = (0, 0)
    """When the capture says that torch's profiler was attached; a trace within a second of it is believed."""
    window_began_us: float = 0
    """When that was by the monotonic clock, which no step moves; 0 when the capture does not say."""

    def profile(self, start_us: int = 0) -> Profile:
        self.profiles.append(Profile(start_us=start_us))
        return self.profiles[-1]

    def torch_op(self, name: str, start_us: float, dur_us: float, *, external: int = 0, thread: int = PROCESS) -> Scene:
        return self._add("cpu_op", name, start_us, dur_us, PROCESS, thread, {"External id": external})

    def annotation(self, name: str, start_us: float, dur_us: float, *, thread: int = PROCESS) -> Scene:
        return self._add("user_annotation", name, start_us, dur_us, PROCESS, thread, {})

    def overhead(self, name: str, start_us: float, dur_us: float) -> Scene:
        return self._add("overhead", name, start_us, dur_us, -1, 0, {})

    def call(
        self, name: str, start_us: float, dur_us: float, correlation: int = 0, *, external: int = 0,
        thread: int = PROCESS,
    ) -> Scene:  # fmt: skip
        start_ns, duration_ns = at_ns(start_us), round(dur_us * 1000)
        self.rows.append(
            call_row(
                name, start_ns, duration_ns, process=PROCESS, thread=thread, correlation=correlation, external=external
            )
        )
        return self

    def kernel(
        self, name: str, start_us: float, dur_us: float, correlation: int, *, stream: int = 7, device: int = 0,
        grid: Sequence[int] = (1, 1, 1), external: int = 0,
    ) -> Scene:  # fmt: skip
        start_ns, duration_ns = at_ns(start_us), round(dur_us * 1000)
        self.rows.append(
            work_row(
                "kernel", name, start_ns, duration_ns, device=device, stream=stream, correlation=correlation,
                external=external, grid=grid,
            )
        )  # fmt: skip
        return self

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
        start_ns, duration_ns = at_ns(start_us), round(dur_us * 1000)
        self.rows.append(
            work_row(
                "gpu_memcpy", name, start_ns, duration_ns, device=device, stream=stream, correlation=correlation,
                size_bytes=size_bytes,
            )
        )  # fmt: skip
        return self

    def wait(
        self, kind: str, start_us: float, dur_us: float, correlation: int, *, stream: int = -1, waited_stream: int = -1,
        record: int = -1, device: int = 0,
    ) -> Scene:  # fmt: skip
        """`kind` as Kineto writes it: Stream Wait Event, Event Sync, Stream Sync or Context Sync."""
        self.rows.append(
            sync_row(
                kind, at_ns(start_us), round(dur_us * 1000), correlation=correlation, device=device, stream=stream,
                waited_stream=waited_stream, record=record,
            )
        )  # fmt: skip
        return self

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

    def clocks(self, at_us: float, ahead_us: float = 0) -> Scene:
        """The clocks are read, when the wall clock is so far ahead of where it would be without its steps."""
        realtime_ns, monotonic_ns = at_ns(at_us + ahead_us), at_ns(at_us) - EPOCH_NS
        self.records.append(Anchor(realtime_ns=realtime_ns, monotonic_ns=monotonic_ns, bracket_ns=200))
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
        torch = [self.write_trace(folder)] if self.rows else []
        return load_files(ort=[f"{path}@{start}" for path, start in zip(ort, starts, strict=True)], torch=torch)

    def write_bundle(self, folder: Path) -> Path:
        writer = start_bundle(folder, "scene", PROCESS, EPOCH_NS)
        records = list(self.records)
        for number in range(len(self.profiles)):
            records.append(ProfileEnded(session=number, file=self.write_profile(folder, number).name, end_ns=EPOCH_NS))
        if self.rows:
            start_ns, end_ns = at_ns(self.window_us[0]), at_ns(self.window_us[1])
            began_ns = round(self.window_began_us * 1000)
            file = self.write_trace(folder).name
            records.append(Window(start_ns=start_ns, end_ns=end_ns, file=file, began_monotonic_ns=began_ns))
        read = [record for record in records if isinstance(record, Anchor)]
        write_bundle(writer, records, end=read[-1] if read else None)
        return folder

    def write_profile(self, folder: Path, number: int) -> Path:
        path = folder / f"ort-{number}.json"
        write_profile(path, self.profiles[number].events, ProfileLayout())
        return path

    def write_trace(self, folder: Path) -> Path:
        path = folder / "torch-0.json"
        write_rows(path, [*self.rows, window_end_row(EPOCH_NS)], TraceLayout(base_ns=EPOCH_NS))
        return path

    def _add(self, cat: str, name: str, start_us: float, dur_us: float, pid: int, tid: int, args: Event) -> Scene:
        self.rows.append(complete(cat, name, at_ns(start_us), round(dur_us * 1000), pid, tid, args))
        return self
