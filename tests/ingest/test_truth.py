"""Every link of a capture against what truly happened: none wrong, none missing that the files show, no hole unsaid."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from traces.found import find, offset_bounds
from traces.reading import missing_links, read, wrong_links
from traces.strategies import healthy_captures, lossy_captures
from traces.truth import Truth

from ortprobe.timeline import ClockMethod

CAPTURES = healthy_captures() | lossy_captures()
WAYS = st.sampled_from(("bundle", "stated"))
COUNTED = ("launches-without-work", "work-without-launch", "waits-unresolved", "profile-truncated")
thorough = settings(
    deadline=None, max_examples=100, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large)
)


@thorough
@given(healthy_captures(), WAYS)
def test_no_link_of_a_healthy_capture_is_wrong(capture, way):
    timeline, written = read(capture, way)
    assert not wrong_links(find(timeline, written), Truth(written))


@thorough
@given(lossy_captures(), WAYS)
def test_no_link_of_a_capture_with_holes_is_wrong(capture, way):
    timeline, written = read(capture, way)
    truth = Truth(written)
    wrong = wrong_links(find(timeline, written), truth)
    # What maimed runs borrow from each other: see test_truth_holes.
    for origin in truth.of_unprofiled_runs & wrong.get("node", {}).keys():
        del wrong["node"][origin]
    assert not any(wrong.values())


@thorough
@given(CAPTURES, WAYS)
def test_every_link_that_can_be_known_is_found(capture, way):
    timeline, written = read(capture, way)
    assert not missing_links(find(timeline, written), Truth(written))


@thorough
@given(CAPTURES, WAYS)
def test_bound_of_the_clock_holds_the_true_start_of_profiling(capture, way):
    timeline, written = read(capture, way)
    # Both are fitted wrongly: see test_truth_holes.
    assume(not Truth(written).has_strange_witnesses and not capture.recording.losses.profile_events)
    bounds = offset_bounds(timeline, written)
    assert len(bounds) == sum(clock.method is not ClockMethod.UNCHECKED for clock in timeline.clocks)
    assert all(low_ns <= true_ns <= high_ns for low_ns, high_ns, true_ns in bounds), bounds


@thorough
@given(lossy_captures())
def test_every_loss_is_counted(capture):
    timeline, written = read(capture, "bundle")
    truth, problems = Truth(written), find(timeline, written).problems
    # Both are counted wrongly: see test_truth_holes.
    assume(not truth.waits_hide_each_other and "no-sync-records" not in problems)
    if truth.has_device_work:
        assert {kind: problems.get(kind, 0) for kind in COUNTED} == {kind: truth.losses[kind] for kind in COUNTED}
    else:
        assert "no-gpu-trace" in problems


@thorough
@given(healthy_captures())
def test_healthy_program_has_no_problem(capture):
    """But for what its recording never held: a profile, device work, synchronisation."""
    # Replays are doubted: see test_truth_holes.
    assume(not any(run.is_replay for run in capture.history.runs))
    timeline, written = read(capture, "bundle")
    truth = Truth(written)
    assume(not truth.has_strange_witnesses)  # see test_truth_holes
    has_records = any(window.stream_waits or window.host_waits for window in written.windows.values())
    expected = set(truth.losses)
    if not truth.has_device_work:
        expected = {"no-gpu-trace"}
    elif not has_records:
        expected = {"no-sync-records"}
    if not written.profiles:
        expected.add("no-ort-profile")
    assert find(timeline, written).problems.keys() == expected


@thorough
@given(CAPTURES)
def test_sessions_and_runs_of_a_bundle_are_those_that_were_made(capture):
    timeline, _ = read(capture, "bundle")
    history, epoch_ns = capture.history, capture.recording.epoch_ns
    sessions = [(made.start_ns, made.end_ns, made.replaces) for made in history.sessions]
    assert sessions == [
        (one.start_ns - epoch_ns, one.end_ns - epoch_ns, -1 if one.replaces is None else one.replaces)
        for one in timeline.sessions
    ]
    runs = sorted((made.start_ns, made.end_ns, made.session, history.threads[made.thread].native_id)
                  for made in history.runs)  # fmt: skip
    threads = [timeline.lanes[lane].thread for lane in timeline.runs.lane.tolist()]
    start_ns, end_ns = timeline.runs.start_ns - epoch_ns, timeline.runs.end_ns - epoch_ns
    found = zip(start_ns.tolist(), end_ns.tolist(), timeline.runs.session.tolist(), threads, strict=True)
    assert sorted(found) == runs
