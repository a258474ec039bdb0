"""Writing a capture, as bare files or as a bundle, together with what every row of it is a row of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traces.bundle_rows import start_bundle, write_bundle
from traces.history import History
from traces.hook_log import hook_records
from traces.kineto_file import write_trace
from traces.origin import Origin
from traces.ort_file import ProfileTruth, write_session_profile
from traces.recording import Recorded, Recording, profile_interval, record

from ortprobe.bundle import ProfileEnded, Window
from ortprobe.ingest import load_bundle, load_files
from ortprobe.timeline import Timeline

HOOK_LOG = "hooks.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A capture on disk, and the truth about its files by their names (without `.gz`)."""

    history: History
    recording: Recording
    is_bundle: bool
    windows: Mapping[str, Recorded]
    profiles: Mapping[str, ProfileTruth]
    session_of_profile: Mapping[str, int]
    origins: Mapping[str, Sequence[Origin | None]]
    """For each file, what its rows are rows of."""

    def of_row(self, path: str, row: int) -> Origin | None:
        """What a span, by its source's path and its row, is a row of."""
        rows = self.origins[file_name(path)]
        return rows[row] if row < len(rows) else None


def file_name(path: str) -> str:
    """The name by which `Written` knows a file."""
    return Path(path).name.removesuffix(".gz")


def capture_files(history: History, recording: Recording, folder: Path, *, states_start: bool) -> tuple[Written, Load]:
    """Write bare files, and answer with how a user has them read. A start that is not stated has to be found."""
    written = _write(history, recording, folder, is_bundle=False)
    profiles = []
    for name, session in written.session_of_profile.items():
        stated_ns = recording.epoch_ns + history.sessions[session].profiling_start_ns + recording.stated_error_ns
        path = _stored(folder, name, recording.profile.is_compressed)
        profiles.append(f"{path}@{stated_ns}" if states_start else path)
    torch = [_stored(folder, name, recording.trace.is_compressed) for name in written.windows]
    return written, Load(ort=profiles, torch=torch)


def capture_bundle(history: History, recording: Recording, folder: Path) -> tuple[Written, Load]:
    """Write a bundle, and answer with how it is read."""
    bundle = folder / "app.ortprobe"
    return _write(history, recording, bundle, is_bundle=True), Load(bundle=bundle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a user gives to have a capture read."""

    ort: Sequence[str] = ()
    torch: Sequence[str] = ()
    bundle: Path | None = None

    def __call__(self) -> Timeline:
        return load_bundle(self.bundle) if self.bundle is not None else load_files(ort=self.ort, torch=self.torch)


def _write(history: History, recording: Recording, folder: Path, *, is_bundle: bool) -> Written:
    epoch_ns = recording.epoch_ns
    bundle = start_bundle(folder, "app.py", recording.process, epoch_ns) if is_bundle else None
    records = hook_records(history, recording) if is_bundle else []
    windows = {f"torch-{number}.json": one for number, one in enumerate(record(history, recording))}
    sessions = {
        f"ort-{session}.json": session
        for session in range(len(history.sessions))
        if profile_interval(history, session) is not None
    }
    profiles: dict[str, ProfileTruth] = {}
    origins: dict[str, Sequence[Origin | None]] = {HOOK_LOG: [origin for _, origin in records]}
    for name, session in sessions.items():
        path = Path(_stored(folder, name, recording.profile.is_compressed))
        profiles[name] = write_session_profile(path, history, recording, session)
        origins[name] = profiles[name].origins
        records.append((ProfileEnded(session=session, file=name, end_ns=epoch_ns + history.end_ns), None))
    for name, recorded in windows.items():
        path = Path(_stored(folder, name, recording.trace.is_compressed))
        origins[name] = write_trace(path, history, recording, recorded)
        start_ns, end_ns = (epoch_ns + time_ns for time_ns in recorded.window)
        records.append((Window(start_ns=start_ns, end_ns=end_ns, file=name), None))
    if bundle is not None:
        write_bundle(bundle, [one for one, _ in records])
    return Written(
        history=history, recording=recording, is_bundle=is_bundle, windows=windows, profiles=profiles,
        session_of_profile=sessions, origins=origins,
    )  # fmt: skip


def _stored(folder: Path, name: str, is_compressed: bool) -> str:
    return str(folder / (f"{name}.gz" if is_compressed else name))
