"""Every link of a capture against what truly happened: none wrong, none missing that the files show, no hole unsaid."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces.found import Found, find, offset_bounds
from traces.strategies import Capture, healthy_captures, lossy_captures
from traces.truth import Link, Truth
from traces.written import Written, capture_bundle, capture_files

from ortprobe.timeline import ClockMethod, Timeline

WAYS = st.sampled_from(("bundle", "stated", "fitted"))
sparse = settings(
    deadline=None, max_examples=60, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large)
)


def read(capture: Capture, way: str) -> tuple[Timeline, Written]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        if way == "bundle":
            written, load = capture_bundle(capture.history, capture.recording, folder)
        else:
            written, load = capture_files(capture.history, capture.recording, folder, states_start=way == "stated")
        return load(), written


def wrong(found: dict, truth: dict[object, Link]) -> dict:
    return {row: (link, truth[row].to) for row, link in found.items() if row in truth and link != truth[row].to}


def missing(found: dict, truth: dict[object, Link]) -> dict:
    return {
        row: link.to for row, link in truth.items() if link.is_knowable and row not in found and link.to is not None
    }


def all_wrong(found: Found, truth: Truth) -> dict[str, dict]:
    links = {
        "launch": wrong(found.launches, truth.launches),
        "run": wrong(found.runs, truth.runs),
        "node": wrong(found.nodes, truth.nodes),
    }
    return {name: rows for name, rows in links.items() if rows}


def all_missing(found: Found, truth: Truth) -> dict[str, dict]:
    links = {
        "launch": missing(found.launches, truth.launches),
        "run": missing(found.runs, truth.runs),
        "node": missing(found.nodes, truth.nodes),
    }
    return {name: rows for name, rows in links.items() if rows}


@sparse
@given(healthy_captures(), WAYS)
def test_no_link_of_a_healthy_capture_is_wrong(capture, way):
    timeline, written = read(capture, way)
    assert not all_wrong(find(timeline, written), Truth(written))


@sparse
@given(lossy_captures(), WAYS)
def test_no_link_of_a_capture_with_holes_is_wrong(capture, way):
    timeline, written = read(capture, way)
    assert not all_wrong(find(timeline, written), Truth(written))


@sparse
@given(healthy_captures() | lossy_captures(), st.sampled_from(("bundle", "stated")))
def test_every_link_that_can_be_known_is_found(capture, way):
    timeline, written = read(capture, way)
    assert not all_missing(find(timeline, written), Truth(written))


@sparse
@given(lossy_captures())
def test_every_loss_is_counted(capture):
    timeline, written = read(capture, "bundle")
    truth, found = Truth(written), find(timeline, written)
    counted = ("launches-without-work", "work-without-launch", "waits-unresolved", "profile-truncated")
    if not truth.has_device_work:
        assert "no-gpu-trace" in found.problems
    else:
        assert {kind: found.problems.get(kind, 0) for kind in counted} == {kind: truth.losses[kind] for kind in counted}


@sparse
@given(healthy_captures() | lossy_captures(), WAYS)
def test_the_bound_of_the_clock_holds_the_true_offset(capture, way):
    timeline, written = read(capture, way)
    bounds = offset_bounds(timeline, written)
    assert len(bounds) == sum(clock.method is not ClockMethod.UNCHECKED for clock in timeline.clocks)
    assert [low <= true <= high for low, high, true in bounds] == [True] * len(bounds)


@sparse
@given(healthy_captures())
def test_a_healthy_program_has_no_problem(capture):
    timeline, written = read(capture, "bundle")
    truth = Truth(written)
    expected = set()
    if not written.profiles:
        expected.add("no-ort-profile")
    if not truth.has_device_work:
        expected.add("no-gpu-trace")
    elif not any(one.stream_waits or one.host_waits for one in written.windows.values()):
        expected.add("no-sync-records")
    assert find(timeline, written).problems.keys() == expected | truth.losses.keys()
