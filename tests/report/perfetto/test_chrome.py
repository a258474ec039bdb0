"""The merged trace in Chrome's JSON says what the native one says."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import Any

import captures
import numpy as np
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.perfetto.chrome import render_chrome
from ortprobe.rules import Judgement, judge
from ortprobe.timeline import DEVICE_WORK, NONE, Kind


@cache
def judged() -> Judgement:
    return judge(captures.example("missing-wait"))


@cache
def events() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(render_chrome(judged()))["traceEvents"]
    return found


def names(kind: str) -> dict[tuple[int, int], str]:
    return {(each["pid"], each["tid"]): each["args"]["name"] for each in events() if each["name"] == kind}


def test_every_piece_of_device_work_is_there_at_its_time():
    timeline, rows = judged().analyses.timeline, names("thread_name")
    spans = timeline.spans
    expected = Counter(
        (timeline.name_of(span), round((int(spans.start_ns[span]) - timeline.start_ns) / 1000, 3))
        for span in np.flatnonzero(np.isin(spans.kind, DEVICE_WORK)).tolist()
    )
    slices = [each for each in events() if each["ph"] == "X"]
    work = [each for each in slices if rows[each["pid"], each["tid"]] == "device work"]
    assert Counter((each["name"], round(each["ts"], 3)) for each in work) == expected


def test_each_arrow_begins_once_and_ends_at_slices():
    starts = Counter((each["name"], each["id"]) for each in events() if each["ph"] == "s")
    ends = Counter((each["name"], each["id"]) for each in events() if each["ph"] == "f")
    assert set(starts.values()) == {1}
    assert set(ends) <= set(starts)
    slices = {(each["pid"], each["tid"], each["ts"]) for each in events() if each["ph"] == "X"}
    assert all((each["pid"], each["tid"], each["ts"]) in slices for each in events() if each["ph"] in "sf")
    timeline = judged().analyses.timeline
    launched = np.isin(timeline.spans.kind, DEVICE_WORK) & (timeline.links.launch != NONE)
    assert sum(number for (kind, _), number in ends.items() if kind == "launch") == int(launched.sum())


def test_lanes_keep_the_order_of_the_page():
    order = {each["pid"]: each["args"]["sort_index"] for each in events() if each["name"] == "process_sort_index"}
    lanes = {each["pid"]: each["args"]["name"] for each in events() if each["name"] == "process_name"}
    assert [lanes[lane] for lane in sorted(lanes, key=order.__getitem__)][:3] == ["Sessions", "Runs", "MainThread"]


def test_findings_and_counters_are_there():
    told = [each["args"]["finding"] for each in events() if each["ph"] == "X" and "finding" in each["args"]]
    assert len(told) == len(judged().findings)
    assert {each["name"] for each in events() if each["ph"] == "C"} >= {"Streams at work", "Launched, not begun"}


def test_names_are_data(tmp_path):
    scene = Scene().torch_op("</script>\0\ud800\n", 0, 5).session(0, 0, 10)
    document = json.loads(render_chrome(judge(Analyses(scene.load(tmp_path)))))
    assert any(each["name"].startswith("</script>") for each in document["traceEvents"])


def test_calls_of_the_host_are_all_there():
    rows = names("thread_name")
    calls = sum(each["ph"] == "X" and rows[each["pid"], each["tid"]] == "CUDA calls" for each in events())
    assert calls == int((judged().analyses.timeline.spans.kind == Kind.CUDA_CALL).sum())
