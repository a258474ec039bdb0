"""The hook log: one JSON object a line, written as it happens, so that a killed program leaves what it did so far.

Times are Unix epoch nanoseconds (CLOCK_REALTIME), the clock that ORT's profile and torch's trace use on Linux
(measured: ORT 1.20 to 1.32, torch 2.11 and 2.13). Threads are OS thread ids. Stream values are CUDA stream handles as
torch reports them (0 is the legacy default stream); `NO_STREAM` where no GPU is involved.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

NO_STREAM = -1
NONE = -1

ATTACHED_ORT_PROFILE = 1
ATTACHED_TORCH_PROFILER = 2

LIMIT = 1 << 62
"""No time, address or size of a capture reaches it."""
Serial: TypeAlias = Annotated[int, msgspec.Meta(ge=NONE, lt=1 << 31)]
"""Of a session, an owner, a binding, an event, a thread or a device; a line with a number beyond is unreadable."""
TimeNs: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=LIMIT)]
Address: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=LIMIT)]
Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=LIMIT)]
Bits: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=ATTACHED_ORT_PROFILE | ATTACHED_TORCH_PROFILER)]


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type"):
    """What every line has in common: its type."""


class Call(Record, frozen=True, tag="call"):
    """One call of the program into onnxruntime or torch, or one step of a Runner.

    `what` is the Python name: of onnxruntime `set_providers`, `run`, `run_with_iobinding`, `run_with_ort_values`,
    `run_with_ortvaluevector`, `io_binding`, `bind_[cpu_|ortvalue_]input`, `bind_[ortvalue_]output`,
    `clear_binding_inputs|outputs`, `synchronize_inputs|outputs`, `get_outputs`, `copy_outputs_to_cpu`, `run_async` (on
    the thread that ran it; `run_async.submit` on the one that asked), `feed` and `fetch` (a buffer that a run is given,
    or gives), `dead_buffer` (a buffer of a run's binding that is bound by the address of a torch tensor whose storage
    is gone), `input.changed|same|sample_same` (how an array of the host that a run's binding was given compares with
    itself at its bind, by a checksum of all its bytes, or of some), `add_session_config_entry`, `add_run_config_entry`
    (each key once), `update_inplace`, `ortvalue.numpy`, `ortvalue_from_…`, `from_dlpack`, `to_dlpack`, `copy_tensors`,
    `disable_fallback`, `enable_fallback`, `end_profiling`; of torch `copy_`, `clone`, `to`, `cuda`, `cpu`, `item`,
    `tolist`, `numpy`, `record_stream`, `stream.create`, `stream.enter`, `stream.leave`, `set_stream`, `event.create`,
    `wait_stream`, `wait_event`, `record_event`, `stream.synchronize`, `event.record`, `event.wait`,
    `event.synchronize`, `event.query` (one that found the event done), `synchronize` (the whole device).
    `runner.bind|copy|run|clone` are a Runner's steps, and
    `ortprobe.profiler_start|profiler_stop|profiler_detach|import_torch|end_profiling|watch_options` the
    tracer's own work inside the program.
    """

    what: str
    start_ns: TimeNs
    end_ns: TimeNs
    thread: Serial
    session: Serial = NONE
    binding: Serial = NONE
    stream: int = NO_STREAM
    """The stream that is acted on, or torch's current stream at the call."""
    waited_stream: int = NO_STREAM
    """For waits: the stream whose work is waited for; of an event, the stream it was last seen recorded on."""
    event: Serial = NONE
    """Number of the torch event in this process, from 0, in the order in which the hooks saw events."""
    buffer: str = ""
    """For `bind_*`: the input or output bound."""
    contiguous: bool | None = None
    """For `bind_input` and `bind_output`: whether the torch tensor whose address is bound is contiguous, as ORT takes
    it to be; None where no tensor was seen to have the address."""
    tensor_dtype: str = ""
    """Element type of that tensor, as torch names it."""
    tensor_bytes: Bytes = 0
    """From that address to the end of the tensor's storage. Both only while the storage is there and owns its memory.
    """
    device: str = ""
    read_address: Address = 0
    read_bytes: Bytes = 0
    write_address: Address = 0
    write_bytes: Bytes = 0
    site: str = ""
    """`file:line` of the program's own code that made the call."""
    origin: str = ""
    """Where the memory on the host that is read had its content from: `gpu` where it was copied from there, `run` or
    `binding` where `run` or an IOBinding gave it, each while that memory is there; else `host`. For feeds of `run`,
    `bind_cpu_input`, and torch's copies from the host to a GPU."""
    dtype: str = ""
    """Element type of the buffer, as numpy writes it (`float32`), or as torch does where numpy has no such type."""
    pinned: bool | None = None
    """Of copies between host and GPU: whether the host's side is page-locked; None for other calls."""
    run: Serial = NONE
    """Number of the run in this process, from 0, in the order in which runs began. For runs."""
    options: dict[str, str] = {}
    """Run options that change what a run waits for: see `capture.hooks.ort_runs`. For runs that were given some. For
    `add_…_config_entry` the entry."""
    attached: Bits = 0
    """Bits: `ATTACHED_ORT_PROFILE`, `ATTACHED_TORCH_PROFILER`. For runs."""
    error: str = ""


class Served(Record, frozen=True, tag="served"):
    """Runs of one session from one line that were counted instead of being logged one by one, about a second of them.

    Which runs are logged one by one: all inside a window, so many before and after, and those that took far longer than
    their neighbours.
    """

    what: str
    session: Serial
    start_ns: TimeNs
    end_ns: TimeNs
    runs: int
    total_ns: TimeNs
    slowest_ns: TimeNs
    latencies: tuple[tuple[int, int], ...] = ()
    """How many runs took from 2^(k/8) to 2^((k+1)/8) ns, as pairs (k, runs): a step is 9 %."""
    site: str = ""


class SessionCreated(Record, frozen=True, tag="session"):
    """A C session came to life: by a constructor, by `set_providers`, or by ORT's hidden fallback inside `run`."""

    session: Serial
    """Serial number in this process, from 0."""
    owner: Serial
    """Serial number of the Python InferenceSession, which a re-created C session shares with the one it replaces."""
    reason: str
    """`constructor`, `set_providers` or `fallback`."""
    start_ns: TimeNs
    end_ns: TimeNs
    thread: Serial
    replaces: Serial = NONE
    site: str = ""
    model_path: str = ""
    model_bytes: Bytes = 0
    requested_providers: tuple[str, ...] = ()
    requested_options: dict[str, dict[str, str]] = {}
    """Provider options that the call named, as text. What a re-creation does not name goes back to its default."""
    providers: tuple[str, ...] = ()
    provider_options: dict[str, dict[str, str]] = {}
    previous_provider_options: dict[str, dict[str, str]] = {}
    session_options: dict[str, str] = {}
    """SessionOptions that change how a model is optimised and executed, as text; memory and threads among them."""
    may_fall_back: bool | None = None
    """Whether `run` may make the session again by itself after an execution provider failed (`disable_fallback`)."""
    graph_name: str = ""
    producer: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    input_types: tuple[str, ...] = ()
    """`tensor(float)[N,3,224,224]` for each input; free dimensions by name, `?` without one."""
    output_types: tuple[str, ...] = ()
    profile_prefix: str = ""
    """Prefix of ORT's profile file inside the bundle; empty when ORT profiling is off or the program's own."""
    profile_start_ns: TimeNs = 0
    """ORT's `get_profiling_start_time_ns()`: Unix epoch on Linux, whatever its documentation says."""
    error: str = ""
    began_monotonic_ns: TimeNs = 0
    """CLOCK_MONOTONIC just before the C session was made; 0 when unknown."""


class Anchor(Record, frozen=True, tag="clock"):
    """The wall clock and CLOCK_MONOTONIC at one moment, read where the log has it.

    Written before and after a C session is made and torch's profiler is attached, when it is detached, and about once
    a second beside calls. `realtime_ns - monotonic_ns` changes when the wall clock is set, and by nothing else: NTP
    slews both (clock_gettime(2)).
    """

    realtime_ns: TimeNs
    monotonic_ns: TimeNs
    bracket_ns: TimeNs = 0
    """How long it took to read both."""


class SessionReleased(Record, frozen=True, tag="released"):
    """The program let go of an InferenceSession. An IOBinding may keep its C session alive beyond (ORT 1.30 on)."""

    session: Serial
    at_ns: TimeNs


class ProfileEnded(Record, frozen=True, tag="profile"):
    """ORT's profile of one session is complete in `file` (relative to the bundle), or in `file` with `.gz` behind."""

    session: Serial
    file: str
    end_ns: TimeNs


class Stream(Record, frozen=True, tag="stream"):
    """A CUDA stream handle, and what traces call it."""

    handle: int
    device: Serial = 0
    trace_id: Serial = NONE
    """CUPTI's stream id (`cuptiGetStreamIdEx`), the `stream` of a torch trace; NONE when CUPTI did not say."""
    blocking: bool | None = None
    """Whether it orders itself with the legacy default stream (`cuStreamGetFlags`); None when unknown."""


class Thread(Record, frozen=True, tag="thread"):
    """A thread under its three names: the OS id, the low 32 bits of its pthread id (CUPTI's), the Python name."""

    native_id: Serial
    ident_low32: int
    name: str = ""


class Window(Record, frozen=True, tag="window"):
    """A stretch of time during which torch's profiler was attached; its trace is `file` (relative to the bundle).

    A complete capture compresses large ones, which are then `file` with `.gz` behind.
    """

    start_ns: TimeNs
    end_ns: TimeNs
    file: str
    began_monotonic_ns: TimeNs = 0
    """CLOCK_MONOTONIC just before the profiler was attached; 0 when unknown."""


class Handover(Record, frozen=True, tag="handover"):
    """One thread's side of a hand-over to another: what happened before `gives` happens before the matching take.

    A take matches every earlier give with its token. `what` is `thread.start`, `thread.run`, `thread.end`,
    `thread.join`, `queue.put`, `queue.get`, `queue.task_done`, `queue.join`, `future.submit`, `future.run`,
    `future.set`, `future.get`, `event.set` or `event.wait`.
    """

    what: str
    at_ns: TimeNs
    """Of a give its beginning, of a take its end: the true moments lie after and before."""
    thread: Serial
    token: Annotated[int, msgspec.Meta(ge=0, lt=LIMIT)]
    gives: bool
    site: str = ""
    """`file:line` of the program that submitted the work; for `future.submit`."""


class Access(Record, frozen=True, tag="access"):
    """A torch operation that read or wrote memory that was bound to an input or output of a session.

    From torch's profiler, for the operations inside a window. The operation's row in the trace has the same start.
    """

    op: str
    start_ns: TimeNs
    end_ns: TimeNs
    address: Address
    """Of the tensor's storage: the profiler does not say where in it a view begins."""
    size_bytes: Bytes
    """Of the storage, as far as the window shows it."""
    extent_bytes: Bytes
    """From the tensor's first element to behind its last. Where it is less than `size_bytes`, the access lies
    somewhere in the storage."""
    mode: str
    """`read`, `write`, or `make` for the operation that allocated the memory and so wrote it first."""
    dtype: str = ""


class Lost(Record, frozen=True, tag="lost"):
    """Something this capture does not hold, and why; `what` is stable, `why` is for people.

    Written when it is lost for the first time, and again with their number at the end when it was lost more often.
    """

    what: str
    why: str
    session: Serial = NONE
    count: int = 1


AnyRecord = (
    Call
    | SessionCreated
    | SessionReleased
    | ProfileEnded
    | Stream
    | Thread
    | Window
    | Served
    | Handover
    | Access
    | Lost
    | Anchor
)
