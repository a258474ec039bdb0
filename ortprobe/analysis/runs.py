"""Each run with its phases, and what runs take: first, steady, percentiles, with and without tracing."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.timeline import Bools, Int32s, Int64s, UInt8s


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """Columns parallel to `Timeline.runs`, and what follows from them. Times nobody measured are NONE or None."""

    latency_ns: Int64s
    """Call to return as the program saw it; ORT's `model_run` where no hook was there."""
    index_in_session: Int32s
    """0 for the first run of each C session."""
    attached: UInt8s
    host_before_ns: Int64s
    """Python call → `model_run`."""
    input_copies_ns: Int64s
    """`model_run` start → first `Execute`: streams, handles, copies of host inputs."""
    execute_ns: Int64s
    """`Execute`: launching the nodes; on the CPU, computing them."""
    drain_ns: Int64s
    """`Execute` end → `model_run` end: waiting for the GPU, copies of outputs to the host."""
    host_after_ns: Int64s
    """`model_run` end → return."""
    device_busy_ns: Int64s
    """Union of the device work this run launched; NONE without a GPU trace of this run."""
    failed: Bools
    first_ns: int | None
    """Latency of the very first run."""
    median_ns: int | None
    """Median of all runs but the first of each session."""
    p99_ns: int | None
    untraced_median_ns: int | None
    """The same median over the runs with nothing but the hooks attached; None when there were none."""
    traced_median_ns: int | None
    """The same median over the runs with ORT's profile and torch's profiler attached."""
