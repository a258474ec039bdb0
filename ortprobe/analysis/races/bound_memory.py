"""The memory that is bound to sessions, and which of it each run was given."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

import numpy as np

from ortprobe.timeline import NONE, Bools, Timeline

_ON_HOST = ("bind_cpu_input",)
_PROCESS_BITS = 80
"""Addresses of two processes differ in the bits above."""


class _Stretches:
    """Memory as stretches of addresses, apart from each other. Addresses of several processes are beyond 64 bits."""

    def __init__(self, stretches: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._pasts: list[int] = []
        for start, past in sorted(stretches):
            if past <= start:
                continue
            if self._pasts and start <= self._pasts[-1]:
                self._pasts[-1] = max(self._pasts[-1], past)
            else:
                self._starts.append(start)
                self._pasts.append(past)

    def overlap(self, start: int, past: int) -> bool:
        """Whether any of these addresses is in one of them."""
        at = bisect_left(self._starts, past) - 1
        return past > start and at >= 0 and self._pasts[at] > start


class BoundMemory:
    """The memory that is of interest, and which of it each run was given."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline, hooks = timeline, timeline.hooks
        processes = np.array([lane.process for lane in timeline.lanes], np.int64)
        distinct = np.unique(processes)
        of_lane = np.searchsorted(distinct, processes)
        self.process = of_lane[timeline.spans.lane[hooks.span]] if len(processes) else hooks.span
        self.process_of_lane = of_lane
        self.name = np.array(timeline.names, object)[hooks.what] if len(hooks.what) else np.zeros(0, object)
        self.binds = np.array([str(name).startswith("bind_") for name in self.name], np.bool_)
        self._bound = self._stretches(self.binds | np.isin(self.name, ("feed", "fetch")))
        on_host = np.array([self.is_on_host(row) for row in range(len(hooks.span))], np.bool_)
        self._on_host = self._stretches(on_host & (self.binds | (self.name == "feed")))
        self._handed_over = self._stretches(np.isin(self.name, ("to_dlpack", "from_dlpack")))

    def _stretches(self, chosen: Bools) -> _Stretches:
        """The memory that these hooked calls name, unless they raised."""
        rows = np.flatnonzero(chosen & ~self._timeline.hooks.failed).tolist()
        return _Stretches({self.stretch(row, writes=writes) for row in rows for writes in (False, True)})

    def stretch(self, row: int, *, writes: bool) -> tuple[int, int]:
        """The addresses that a hooked call names."""
        hooks = self._timeline.hooks
        address = int((hooks.write_address if writes else hooks.read_address)[row])
        size = int((hooks.write_bytes if writes else hooks.read_bytes)[row])
        return self.placed(address, size, int(self.process[row]))

    def placed(self, address: int, size_bytes: int, process: int) -> tuple[int, int]:
        start = address + (process << _PROCESS_BITS)
        return start, start + size_bytes

    def is_on_host(self, row: int) -> bool:
        """Whether a hooked call is about memory of the host alone. One about a GPU's names a stream."""
        device = int(self._timeline.hooks.device[row])
        on_cpu = device != NONE and self._timeline.names[device] == "cpu"
        return self.name[row] in _ON_HOST or (on_cpu and self._timeline.hooks.stream[row] == NONE)

    def concerns(self, start: int, past: int) -> bool:
        """Whether any of these addresses was bound."""
        return self._bound.overlap(start, past)

    def is_host_memory(self, start: int, past: int) -> bool:
        """Whether any of them was bound, or handed to a run, as memory of the host."""
        return self._on_host.overlap(start, past)

    def was_handed_over(self, start: int, past: int) -> bool:
        """Whether any of them was handed over by DLPack."""
        return self._handed_over.overlap(start, past)

    def runs(self) -> Iterator[tuple[int, int, dict[tuple[int, bool], int]]]:
        """(run, its hook, (name of a buffer, whether the run writes it) → the call that says where it lies)."""
        timeline, hooks = self._timeline, self._timeline.hooks
        run_of_hook = dict(zip(hooks.rows_of(timeline.runs.hook_span).tolist(), range(len(timeline.runs)), strict=True))
        given = self._given()
        bound: dict[int, dict[tuple[int, bool], int]] = {}
        concerns_runs = (hooks.binding != NONE) | np.isin(np.arange(len(hooks.span)), list(run_of_hook))
        for row in np.flatnonzero(concerns_runs & ~hooks.failed).tolist():
            binding, name = int(hooks.binding[row]), self.name[row]
            if name in ("clear_binding_inputs", "clear_binding_outputs"):
                wrote = name == "clear_binding_outputs"
                kept = bound.get(binding, {}).items()
                bound[binding] = {key: bind for key, bind in kept if key[1] != wrote}
            elif self.binds[row] and hooks.buffer[row] != NONE:
                bound.setdefault(binding, {})[int(hooks.buffer[row]), "output" in name] = row
            if row in run_of_hook:
                own = bound.get(binding, {}) if binding != NONE else {}
                yield run_of_hook[row], row, {**own, **given.get(self._place(row), {})}

    def _given(self) -> dict[tuple[int, int], dict[tuple[int, bool], int]]:
        """Buffers that runs without a binding were handed: noted at the run's start, on its thread."""
        hooks, found = self._timeline.hooks, dict[tuple[int, int], dict[tuple[int, bool], int]]()
        for row in np.flatnonzero(np.isin(self.name, ("feed", "fetch"))).tolist():
            found.setdefault(self._place(row), {})[int(hooks.buffer[row]), self.name[row] == "fetch"] = row
        return found

    def _place(self, row: int) -> tuple[int, int]:
        span = int(self._timeline.hooks.span[row])
        return int(self._timeline.spans.lane[span]), int(self._timeline.spans.start_ns[span])
