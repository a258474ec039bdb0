"""What is known of the streams of a capture, for the order of what runs on them."""

from __future__ import annotations

from collections.abc import Iterator

from ortprobe.analysis.hooked_calls import SESSION_HOOKS
from ortprobe.analysis.races.steps import Stream
from ortprobe.timeline import LEGACY_STREAM, NONE, Kind, Lane, Timeline, own_stream
from ortprobe.timeline.cuda_calls import base_name

_BLOCKING_CREATION = "cudaStreamCreate"


class StreamNumbers:
    """Numbers the streams of all processes and devices, as they are asked for."""

    def __init__(self, timeline: Timeline) -> None:
        self._lanes = {(lane.process, lane.device, lane.stream): lane for lane in timeline.lanes if lane.stream != NONE}
        self._numbers: dict[tuple[int, int, int], int] = {}
        self._devices: dict[tuple[int, int], int] = {}
        self._streams: list[Stream] = []
        self._ort_is_non_blocking = not any(_creates_blocking_streams(timeline))

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All that were asked for, by their numbers."""
        return tuple(self._streams)

    def number(self, process: int, device: int, stream: int) -> int:
        """The number of a stream, by its id in the traces."""
        key = (process, device, stream)
        if key not in self._numbers:
            self._numbers[key] = len(self._streams)
            self._streams.append(self._known(key))
        return self._numbers[key]

    def of_lane(self, lane: Lane) -> int:
        """The number of a lane's stream."""
        return self.number(lane.process, lane.device, lane.stream)

    def device(self, process: int, device: int) -> int:
        """The number of a device of a process: streams of two processes don't wait for each other."""
        return self._devices.setdefault((process, device), len(self._devices))

    def _known(self, key: tuple[int, int, int]) -> Stream:
        process, device, stream = key
        lane = self._lanes.get(key)
        is_blocking = None if lane is None else lane.blocking
        is_legacy = own_stream(stream) == LEGACY_STREAM and is_blocking is not False
        if is_blocking is None and lane is not None and lane.owner.startswith("onnxruntime"):
            is_blocking = False if self._ort_is_non_blocking else None
        return Stream(device=self.device(process, device), is_blocking=is_blocking, is_legacy=is_legacy)


def _creates_blocking_streams(timeline: Timeline) -> Iterator[bool]:
    """For each call that makes a stream without flags, whether it was made while a session was.

    onnxruntime makes its own streams with `cudaStreamNonBlocking` (1.20 to 1.32, `CUDAStreamHandle`); some revisions
    before used `cudaStreamCreate` in one place.
    """
    spans, names = timeline.spans, timeline.names
    wanted = [number for number, name in enumerate(names) if base_name(name) == _BLOCKING_CREATION]
    for span in spans.of_kind(Kind.CUDA_CALL).tolist() if wanted else ():
        if spans.name[span] in wanted:
            hook = timeline.links.hook[span]
            yield hook != NONE and names[timeline.hooks.what[hook]] in SESSION_HOOKS
