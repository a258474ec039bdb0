"""The manifest of a bundle: what was traced, where, with which versions, and how it ended."""

from __future__ import annotations

import msgspec

from ortprobe.bundle.records import Serial, TimeNs

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
HOOK_LOG_NAME = "hooks.jsonl"
CHILDREN = "children"
"""The folder inside a bundle that holds the bundles of child processes, each under its process id."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What was traced. `kind` is `model`, `script`, `module`, `example` or `code`."""

    kind: str
    name: str
    argv: tuple[str, ...] = ()


class ClockAnchor(msgspec.Struct, frozen=True, kw_only=True):
    """The process's clocks read at one moment; `bracket_ns` is how long reading them took.

    When `realtime_ns - monotonic_ns` differs between two anchors, the wall clock was stepped in between.
    """

    realtime_ns: TimeNs
    monotonic_ns: TimeNs
    perf_counter_ns: TimeNs
    bracket_ns: TimeNs


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU as torch reports it."""

    index: int
    name: str
    memory_bytes: int
    compute_capability: tuple[int, int]
    uuid: str = ""
    """Which GPU it is, whatever the process calls it; empty before torch 2.4."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Versions and hardware. A package that is not there has an empty version."""

    python: str
    platform: str
    cpu_count: int
    """Logical processors of the machine."""
    cpu: str = ""
    """What the processor calls itself; empty where that is not known."""
    onnxruntime: str = ""
    onnxruntime_build: str = ""
    torch: str = ""
    torch_cuda: str = ""
    cuda_driver: str = ""
    numpy: str = ""
    devices: tuple[Device, ...] = ()
    physical_cores: int = 0
    """Cores, each once however many threads it runs; 0 when unknown."""
    usable_cpus: int = 0
    """Logical processors that the process was allowed to keep busy; 0 when unknown."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How the target ended. A manifest without one belongs to a program that was killed."""

    clock: ClockAnchor
    exit_code: int | None
    """None where nobody could see it: of a child process."""
    exception: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How much was attached for how long (runs are counted for each session)."""

    warmup_runs: int = 0
    """Runs before anything but the hooks is attached."""
    active_runs: int = 0
    """Runs with ORT's profile and torch's profiler attached."""
    torch_runs: int = 0
    """Runs after those with torch's profiler alone; the rest run with the hooks alone."""
    windows: int = 1
    """How often torch's profiler is attached for the runs of one session."""
    wait_runs: int = 1000
    """Runs with the hooks alone between two of a session's windows."""
    longest_window_ns: int = 60_000_000_000
    """After so long a window ends, however many runs it has seen, and so does ORT's profile of a session."""
    largest_bundle_bytes: int = 2_000_000_000
    """When the bundle has grown to this size, nothing more is attached and calls are no longer logged."""
    follow_children: bool = True
    """Whether child processes are captured too, each in a bundle of its own inside this one."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model file that a session was made of."""

    path: str
    size_bytes: int
    sha256: str = ""
    """Of the file's content when the capture ended; empty when it had changed by then, or could not be read."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`. Written when the capture starts, and again, with `ending`, when it is complete."""

    ortprobe: str
    target: Target
    process: Serial
    environment: Environment
    settings: Settings
    clock: ClockAnchor
    format_version: int = FORMAT_VERSION
    ending: Ending | None = None
    parent: Serial | None = None
    """OS process id of the process that this one was started by, when it is a child of a captured process."""
    models: tuple[Model, ...] = ()
    hook_cost_ns: TimeNs | None = None
    """What the hooks add to one `run` call, measured in this process; None when it was not measured."""
