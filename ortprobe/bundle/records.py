"""The hook log: one JSON object a line, written as it happens, so that a killed program leaves what it did so far.

Times are Unix epoch nanoseconds (CLOCK_REALTIME), the clock that ORT's profile and torch's trace use on Linux
(measured: ORT 1.20 to 1.32, torch 2.11 and 2.13). Threads are OS thread ids. Stream values are CUDA stream handles as
torch reports them (0 is the legacy default stream); `NO_STREAM` where no GPU is involved.
"""

from __future__ import annotations

import msgspec

NO_STREAM = -1
NONE = -1

ATTACHED_ORT_PROFILE = 1
ATTACHED_TORCH_PROFILER = 2


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type"):
    """What every line has in common: its type."""


class Call(Record, frozen=True, tag="call"):
    """One call of the program into onnxruntime or torch, or one step of a Runner.

    `what` is the Python name: of onnxruntime `set_providers`, `run`, `run_with_iobinding`, `run_with_ort_values`,
    `run_with_ortvaluevector`, `io_binding`, `bind_[cpu_|ortvalue_]input`, `bind_[ortvalue_]output`,
    `clear_binding_inputs|outputs`, `synchronize_inputs|outputs`, `get_outputs`, `copy_outputs_to_cpu`,
    `update_inplace`, `ortvalue_from_numpy`, `end_profiling`; of torch `copy_`, `clone`, `to`, `cuda`, `cpu`,
    `wait_stream`, `wait_event`, `record_event`, `stream.synchronize`, `event.record`, `event.wait`,
    `event.synchronize`, `synchronize` (the whole device). `runner.bind|copy|run|clone` are a Runner's steps, and
    `ortprobe.profiler_start|profiler_stop|end_profiling` the tracer's own work inside the program.
    """

    what: str
    start_ns: int
    end_ns: int
    thread: int
    session: int = NONE
    binding: int = NONE
    stream: int = NO_STREAM
    """The stream that is acted on, or torch's current stream at the call."""
    waited_stream: int = NO_STREAM
    """For waits: the stream whose work is waited for; of an event, the stream it was last seen recorded on."""
    buffer: str = ""
    """For `bind_*`: the input or output bound."""
    device: str = ""
    read_address: int = 0
    read_bytes: int = 0
    write_address: int = 0
    write_bytes: int = 0
    site: str = ""
    """`file:line` of the program's own code that made the call."""
    attached: int = 0
    """Bits: `ATTACHED_ORT_PROFILE`, `ATTACHED_TORCH_PROFILER`. For runs."""
    error: str = ""


class SessionCreated(Record, frozen=True, tag="session"):
    """A C session came to life: by a constructor, by `set_providers`, or by ORT's hidden fallback inside `run`."""

    session: int
    """Serial number in this process, from 0."""
    owner: int
    """Serial number of the Python InferenceSession, which a re-created C session shares with the one it replaces."""
    reason: str
    """`constructor`, `set_providers` or `fallback`."""
    start_ns: int
    end_ns: int
    thread: int
    replaces: int = NONE
    site: str = ""
    model_path: str = ""
    model_bytes: int = 0
    requested_providers: tuple[str, ...] = ()
    requested_options: dict[str, dict[str, str]] = {}
    """Provider options that the call named, as text. What a re-creation does not name goes back to its default."""
    providers: tuple[str, ...] = ()
    provider_options: dict[str, dict[str, str]] = {}
    previous_provider_options: dict[str, dict[str, str]] = {}
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    profile_prefix: str = ""
    """Prefix of ORT's profile file inside the bundle; empty when ORT profiling is off or the program's own."""
    profile_start_ns: int = 0
    """ORT's `get_profiling_start_time_ns()`: Unix epoch on Linux, whatever its documentation says."""
    error: str = ""


class ProfileEnded(Record, frozen=True, tag="profile"):
    """ORT's profile of one session is complete in `file` (relative to the bundle)."""

    session: int
    file: str
    end_ns: int


class Stream(Record, frozen=True, tag="stream"):
    """A CUDA stream handle, and what traces call it."""

    handle: int
    device: int = 0
    trace_id: int = NONE
    """CUPTI's stream id (`cuptiGetStreamIdEx`), the `stream` of a torch trace; NONE when CUPTI did not say."""
    blocking: bool | None = None
    """Whether it orders itself with the legacy default stream (`cuStreamGetFlags`); None when unknown."""


class Thread(Record, frozen=True, tag="thread"):
    """A thread under its three names: the OS id, the low 32 bits of its pthread id (CUPTI's), the Python name."""

    native_id: int
    ident_low32: int
    name: str = ""


class Window(Record, frozen=True, tag="window"):
    """A stretch of time during which torch's profiler was attached; its trace is `file` (relative to the bundle)."""

    start_ns: int
    end_ns: int
    file: str


class Lost(Record, frozen=True, tag="lost"):
    """Something this capture does not hold, and why; `what` is stable, `why` is for people."""

    what: str
    why: str
    session: int = NONE


AnyRecord = Call | SessionCreated | ProfileEnded | Stream | Thread | Window | Lost
