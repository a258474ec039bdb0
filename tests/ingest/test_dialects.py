"""One real trace in the dialects of other versions, vendors and tools: what happened must be read the same."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import dialects
import numpy as np
import pytest
from captures import RACE

from ortprobe.errors import UnreadableInput
from ortprobe.ingest import load_files
from ortprobe.timeline import DEVICE_WORK, NONE, Kind, Timeline

RECORDED = (Kind.TORCH_OP, Kind.CUDA_CALL, *DEVICE_WORK)
"""What every dialect can say."""

Seen = Counter[tuple[object, ...]]


@cache
def truth() -> Timeline:
    return load_files(torch=[RACE / "healthy_kineto.json.gz"])


def load(folder: Path, dialect: dialects.Dialect) -> Timeline:
    return load_files(torch=[dialects.write(folder, dialect)])


def seen(timeline: Timeline, grain_ns: int = 1, same_names: bool = True) -> Seen:
    """Each operator, call and piece of device work: kind, name, times at that grain, thread, device, stream."""
    spans = timeline.spans
    found: Seen = Counter()
    for span in spans.of_kind(*RECORDED).tolist():
        lane = timeline.lane_of(span)
        start_ns, duration_ns = int(spans.start_ns[span]), int(spans.end_ns[span] - spans.start_ns[span])
        name = timeline.name_of(span) if same_names else ""
        place = (lane.process if lane.stream == NONE else NONE, lane.thread, lane.device, lane.stream)
        found[int(spans.kind[span]), name, start_ns // grain_ns, duration_ns // grain_ns, *place] += 1
    return found


def links(timeline: Timeline) -> int:
    work = timeline.spans.of_kind(*DEVICE_WORK)
    return int((timeline.links.launch[work] != NONE).sum())


def named(*dialects_read: dialects.Dialect) -> list[object]:
    return [pytest.param(dialect, id=dialect.__name__) for dialect in dialects_read]


@pytest.mark.parametrize(
    "dialect",
    named(
        dialects.base_at_the_end,
        dialects.huge_numbers,
        dialects.indented,
        dialects.compact,
        dialects.sorted_members,
        dialects.torch_2_3,
        dialects.times_as_texts,
        dialects.triton,
        dialects.infinite_bandwidth,
        dialects.foreign_events,
    ),
)
def test_dialects_that_say_all_are_read_to_the_nanosecond(dialect, tmp_path):
    timeline = load(tmp_path, dialect)
    assert seen(timeline) == seen(truth())
    assert links(timeline) == links(truth())


@pytest.mark.parametrize("dialect", named(dialects.torch_1_8, dialects.torch_1_9, dialects.torch_2_2))
def test_dialects_of_whole_microseconds_are_read_to_the_microsecond(dialect, tmp_path):
    timeline = load(tmp_path, dialect)
    assert seen(timeline, grain_ns=1000) == seen(truth(), grain_ns=1000)
    assert (timeline.spans.start_ns[timeline.spans.of_kind(*RECORDED)] % 1000 == 0).all()
    assert links(timeline) == links(truth())


def test_a_wait_for_the_device_makes_no_stream(tmp_path):
    timeline = load(tmp_path, dialects.unsigned_none)
    assert {lane.stream for lane in timeline.lanes} == {lane.stream for lane in truth().lanes}
    assert timeline.waits.stream.tolist() == truth().waits.stream.tolist()


def test_amds_calls_and_work_are_read_like_nvidias(tmp_path):
    timeline = load(tmp_path, dialects.amd)
    assert seen(timeline, same_names=False) == seen(truth(), same_names=False)
    assert links(timeline) == links(truth())
    calls = {timeline.name_of(span) for span in timeline.spans.of_kind(Kind.CUDA_CALL).tolist()}
    assert "hipLaunchKernel" in calls
    assert any("60443483" in version for version in timeline.capture.versions.values())


def test_work_of_one_process_is_never_linked_to_a_call_of_another(tmp_path):
    timeline = load(tmp_path, dialects.two_ranks)
    spans = timeline.spans
    work = spans.of_kind(*DEVICE_WORK)
    assert len(work) == 2 * len(truth().spans.of_kind(*DEVICE_WORK))
    launch = timeline.links.launch[work]
    process = np.array([timeline.lane_of(call).process for call in launch.tolist()])[launch != NONE]
    device = np.array([timeline.lane_of(one).device for one in work.tolist()])[launch != NONE]
    assert {(int(one), int(other)) for one, other in zip(device, process, strict=True)} <= {(0, 468), (1, 1468)}


def test_a_pointer_of_git_lfs_is_named_as_such(tmp_path):
    path = tmp_path / "trace.json.gz"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4cac19622fc3ada9c0fdeadb33f88f367b541f38\n")
    with pytest.raises(UnreadableInput, match="LFS"):
        load_files(torch=[path])
