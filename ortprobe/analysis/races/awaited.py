"""What each wait waits for: by its synchronisation record, and where Kineto dropped that, by the hook around it."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from ortprobe.analysis.races.streams import StreamNumbers
from ortprobe.timeline import NONE, Int32s, Kind, Timeline, WaitKind
from ortprobe.timeline.cuda_calls import EVENT_RECORDS, base_name

_OWN_STREAM = ("wait_stream", "wait_event", "event.wait")
"""Hooked calls whose `stream` is the one that waits."""
_RECORDING = ("record_event", "event.record")


class Awaited:
    """Streams by their numbers, events by the span of the call that recorded them; None for what nobody knows."""

    def __init__(self, timeline: Timeline, streams: StreamNumbers) -> None:
        self._timeline, self._streams = timeline, streams
        spans, waits = timeline.spans, timeline.waits
        call = timeline.links.launch[waits.span]
        self._row_of_call = {int(span): row for row, span in enumerate(call.tolist()) if span != NONE}
        records = spans.of_kind(Kind.EVENT_RECORD)
        self._recorded = {
            int(made_by): streams.of_lane(timeline.lane_of(int(span)))
            for span, made_by in zip(records.tolist(), timeline.links.launch[records].tolist(), strict=True)
            if made_by != NONE
        }
        self._record_spans = self._record_calls()
        of_records = (spans.source[self._record_spans].tolist(), spans.correlation[self._record_spans].tolist())
        self._calls = dict(zip(zip(*of_records, strict=True), self._record_spans.tolist(), strict=True))
        """(source, correlation id) → call, of those that record an event."""
        self._recording_hooks = self._hooks_that_record()
        self._devices = np.unique(timeline.device_ops.device).tolist()
        for row in np.flatnonzero(waits.waited_stream != NONE).tolist():
            event = self.event_of_row(row)
            if event is not None:
                known = self._number(row, int(waits.waited_stream[row]))
                if known is not None:
                    self._recorded.setdefault(event, known)

    def _record_calls(self) -> Int32s:
        spans, names = self._timeline.spans, self._timeline.names
        wanted = np.array([base_name(name) in EVENT_RECORDS for name in names], np.bool_)
        calls = spans.of_kind(Kind.CUDA_CALL)
        return calls[wanted[spans.name[calls]]]

    def recorded_on(self, call: int) -> int | None:
        """The stream that an event was recorded on."""
        if call in self._recorded:
            return self._recorded[call]
        hook = self._hook(call)
        if hook == NONE:
            return None
        what, hooks = self._timeline.names[self._timeline.hooks.what[hook]], self._timeline.hooks
        stream = int((hooks.waited_stream if what == "wait_stream" else hooks.stream)[hook])
        return self._of_hook(call, stream)

    def event(self, call: int) -> int | None:
        """The call that recorded the event that this one waits for."""
        row = self._row_of_call.get(call)
        found = None if row is None else self.event_of_row(row)
        found = found if found is not None else self._event_of_hook(call)
        return found if found is not None and self.recorded_on(found) is not None else None

    def was_done(self, call: int) -> bool:
        """Whether a query is known to have found its event done: its hook is noted then alone."""
        hook = self._hook(call)
        return hook != NONE and self._timeline.names[self._timeline.hooks.what[hook]] == "event.query"

    def event_of_row(self, row: int) -> int | None:
        """The same of a synchronisation record. A record that lies in the future is another one (kineto 1339)."""
        waits, spans = self._timeline.waits, self._timeline.spans
        span = int(waits.span[row])
        found = self._calls.get((int(spans.source[span]), int(waits.record_correlation[row])))
        return found if found is not None and spans.start_ns[found] <= spans.end_ns[span] else None

    def waiting_stream(self, call: int) -> int | None:
        """The stream that waits for an event."""
        row = self._row_of_call.get(call)
        if row is not None and (known := self.stream_of_row(row)) is not None:
            return known
        hook = self._hook(call)
        hooks = self._timeline.hooks
        if hook == NONE or self._timeline.names[hooks.what[hook]] not in _OWN_STREAM:
            return None
        return self._of_hook(call, int(hooks.stream[hook]))

    def synchronised_stream(self, call: int) -> int | None:
        """The stream that the host waits for."""
        row = self._row_of_call.get(call)
        if row is not None and self._timeline.waits.kind[row] == WaitKind.STREAM_SYNC:
            return self.stream_of_row(row)
        hook = self._hook(call)
        if hook == NONE or self._timeline.names[self._timeline.hooks.what[hook]] != "stream.synchronize":
            return None
        return self._of_hook(call, int(self._timeline.hooks.stream[hook]))

    def stream_of_row(self, row: int) -> int | None:
        """The stream of a synchronisation record: that waits, or is waited for."""
        stream = int(self._timeline.waits.stream[row])
        return None if stream == NONE else self._number(row, stream)

    def device_of(self, call: int) -> int | None:
        """The device that a call waits for: that of its record, or the only one."""
        row = self._row_of_call.get(call)
        process = self._timeline.lane_of(call).process
        device = NONE if row is None else int(self._timeline.waits.device[row])
        if device == NONE and len(self._devices) == 1:
            device = self._devices[0]
        return None if device == NONE else self._streams.device(process, device)

    def _event_of_hook(self, call: int) -> int | None:
        """`wait_stream` records an event itself; others wait for one that a hooked call recorded before."""
        hook, hooks = self._hook(call), self._timeline.hooks
        if hook == NONE:
            return None
        if self._timeline.names[hooks.what[hook]] == "wait_stream":
            return self._last_record_in(int(hooks.span[hook]), before=call)
        if hooks.event[hook] == NONE:
            return None
        own = self._recording_hooks.get(int(hooks.event[hook]), [])
        earlier = bisect_left(own, hook)
        return self._last_record_in(int(hooks.span[own[earlier - 1]]), before=call) if earlier else None

    def _last_record_in(self, host_span: int, *, before: int) -> int | None:
        """The last call inside a hooked one that records an event."""
        spans = self._timeline.spans
        past_ns = min(int(spans.end_ns[host_span]), int(spans.start_ns[before]))
        past = int(np.searchsorted(spans.start_ns[self._record_spans], past_ns, side="right"))
        for candidate in self._record_spans[:past][::-1].tolist():
            if spans.start_ns[candidate] < spans.start_ns[host_span]:
                return None
            if spans.lane[candidate] == spans.lane[host_span]:
                return int(candidate)
        return None

    def _hooks_that_record(self) -> dict[int, list[int]]:
        """Number of an event → hooked calls that recorded it, in time order."""
        hooks, names, found = self._timeline.hooks, self._timeline.names, dict[int, list[int]]()
        for row in np.flatnonzero(hooks.event != NONE).tolist():
            if names[hooks.what[row]] in _RECORDING:
                found.setdefault(int(hooks.event[row]), []).append(row)
        return found

    def _hook(self, call: int) -> int:
        return int(self._timeline.links.hook[call])

    def _of_hook(self, call: int, stream: int) -> int | None:
        """Hooks don't say of which device a stream is: where there are several, nobody knows."""
        if stream == NONE or len(self._devices) != 1:
            return None
        return self._streams.number(self._timeline.lane_of(call).process, self._devices[0], stream)

    def _number(self, row: int, stream: int) -> int | None:
        waits = self._timeline.waits
        lane = self._timeline.lane_of(int(waits.span[row]))
        device = int(waits.device[row])
        if device == NONE and len(self._devices) == 1:
            device = self._devices[0]
        return None if device == NONE else self._streams.number(lane.process, device, stream)
