"""What the page counts over time, against the capture itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE, Timeline
from tests.browser.chromium_page import Opened
from tests.browser.conftest import OpenPage, write_page
from tests.captures import DATA, example


@pytest.fixture
def page(open_page: OpenPage, set_providers: Path) -> Opened:
    return open_page(set_providers)


def changes(timeline: Timeline, counter: str) -> list[tuple[int, int]]:
    """(time from the capture's begin, by how much) of each change, in no order."""
    spans, links, ops = timeline.spans, timeline.links, timeline.device_ops.span
    if counter == "queue":
        launched = ops[links.launch[ops] != NONE]
        pairs = [(int(spans.end_ns[links.launch[op]]), int(spans.start_ns[op])) for op in launched.tolist()]
        waited = [pair for pair in pairs if pair[0] < pair[1]]
        found = [(at, 1) for at, _ in waited] + [(at, -1) for _, at in waited]
    elif counter == "arena":
        nodes = timeline.node_spans
        found = list(zip(spans.end_ns[nodes.span].tolist(), nodes.arena_growth_bytes.tolist(), strict=True))
    else:
        found = []
        for lane in np.unique(spans.lane[ops]).tolist():
            own = ops[spans.lane[ops] == lane]
            busy = [(int(spans.start_ns[op]), int(spans.end_ns[op])) for op in own.tolist()]
            found += [(start, 1) for start, _ in merged(busy)] + [(end, -1) for _, end in merged(busy)]
    return [(at - timeline.start_ns, by) for at, by in found if by]


def merged(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def truth(timeline: Timeline, counter: str, from_ns: int, to_ns: int) -> dict[str, float]:
    """Least, greatest and mean of the sums of all changes."""
    by_time: dict[int, int] = {}
    for at, by in changes(timeline, counter):
        by_time[at] = by_time.get(at, 0) + by
    value, area, since, seen = 0, 0, from_ns, None
    for at in sorted(by_time):
        if at > from_ns and seen is None:
            seen = [value]
        if from_ns < at < to_ns:
            area += value * (at - since)
            since = at
        if at < to_ns:
            value += by_time[at]
        if from_ns < at < to_ns:
            seen.append(value)
    seen = seen or [value]
    return {"least": min(seen), "greatest": max(seen), "mean": (area + value * (to_ns - since)) / (to_ns - from_ns)}


@pytest.mark.parametrize("counter", ["streams", "queue", "arena"])
def test_a_counter_counts_what_the_capture_holds(page: Opened, counter: str) -> None:
    timeline = example("set-providers").timeline
    whole_ns = timeline.end_ns - timeline.start_ns
    ops = timeline.device_ops.span
    busy_from = int(timeline.spans.start_ns[ops].min()) - timeline.start_ns
    busy_to = int(timeline.spans.end_ns[ops].max()) - timeline.start_ns
    stretches = [
        (0, whole_ns),
        *((busy_from + k * (busy_to - busy_from) // 7, busy_to - k * 9_999_999) for k in range(7)),
    ]
    told = []
    for from_ns, to_ns in stretches:
        found = page.page.evaluate(f"ortprobe.counter('{counter}', {from_ns}, {to_ns})")
        expected = truth(timeline, counter, from_ns, to_ns)
        assert (found["least"], found["greatest"]) == (expected["least"], expected["greatest"])
        assert found["mean"] == pytest.approx(expected["mean"], rel=1e-9)
        told.append(found["greatest"])
    assert max(told) > 0
    assert page.complaints == []


def test_launches_of_two_traces_with_the_same_correlation_ids_are_told_apart(
    open_page: OpenPage, tmp_path: Path
) -> None:  # fmt: skip
    analyses = Analyses(load_bundle(DATA / "h200-waits" / "host_works_after_waiting.zip"))
    timeline = analyses.timeline
    page = open_page(write_page(analyses, tmp_path))
    span_ns = timeline.end_ns - timeline.start_ns
    found = page.page.evaluate(f"ortprobe.counter('queue', 0, {span_ns})")
    expected = truth(timeline, "queue", 0, span_ns)
    assert found["greatest"] == expected["greatest"]
    assert found["mean"] == pytest.approx(expected["mean"], rel=1e-9)
    launched = timeline.device_ops.span[timeline.links.launch[timeline.device_ops.span] != NONE]
    for work in launched[:: len(launched) // 20].tolist():
        assert page.page.evaluate(f"ortprobe.launchOf('s{work}')") == f"s{timeline.links.launch[work]}"


def test_a_counter_says_its_value_under_the_pointer(page: Opened) -> None:
    lane = page.page.evaluate("ortprobe.lanes().find(lane => lane.key === 'arena')")
    page.page.locator("#tl-canvas").scroll_into_view_if_needed()
    width = page.page.locator("#tl-canvas").bounding_box()["width"]
    page.page.locator("#tl-canvas").hover(position={"x": width - 3, "y": lane["top"] + 20}, force=True)
    view = page.page.evaluate("ortprobe.view()")
    at_ns = view["from"] + (view["to"] - view["from"]) * (width - 3) / width
    held = truth(example("set-providers").timeline, "arena", int(at_ns), int(at_ns) + 1)["greatest"]
    assert page.page.locator("#tip").inner_text() == f"{held / 1e6:.0f} MB"


def test_a_measured_stretch_has_the_counters_means(page: Opened) -> None:
    page.page.evaluate("document.querySelector('#timeline').scrollIntoView()")
    box = page.page.locator("#tl-canvas").bounding_box()
    page.page.mouse.move(box["x"] + 200, box["y"] + 60)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 400, box["y"] + 60, steps=4)
    page.page.mouse.up()
    assert "Streams at work\tmean " in page.page.locator("#tl-area").inner_text()
