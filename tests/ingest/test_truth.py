"""Every link of a capture against what truly happened: none wrong, none missing that the files show, no hole unsaid."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces.found import find, offset_bounds
from traces.reading import missing_links, read, wrong_links
from traces.strategies import healthy_captures, lossy_captures
from traces.truth import Truth

from ortprobe.timeline import ClockMethod, SourceKind

CAPTURES = healthy_captures() | lossy_captures()
WAYS = st.sampled_from(("bundle", "stated"))
COUNTED = ("launches-without-work", "work-without-launch", "waits-unresolved", "waits-dropped", "profile-truncated")
thorough = settings(
    deadline=None, max_examples=25, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large)
)


@thorough
@given(CAPTURES, WAYS)
def test_no_link_is_wrong(capture, way):
    timeline, written = read(capture, way)
    assert not wrong_links(find(timeline, written), Truth(written))


@thorough
@given(CAPTURES, WAYS)
def test_every_link_that_can_be_known_is_found(capture, way):
    timeline, written = read(capture, way)
    assert not missing_links(find(timeline, written), Truth(written))


@thorough
@given(CAPTURES, WAYS)
def test_bound_of_the_clock_holds_the_true_start_of_profiling(capture, way):
    timeline, written = read(capture, way)
    bounds = offset_bounds(timeline, written)
    profiles = [clock for clock in timeline.clocks if timeline.sources[clock.source].kind is SourceKind.ORT_PROFILE]
    assert len(bounds) == sum(clock.method is not ClockMethod.UNCHECKED for clock in profiles)
    assert all(low_ns <= true_ns <= high_ns for low_ns, high_ns, true_ns in bounds), bounds


@thorough
@given(lossy_captures())
def test_every_loss_is_counted(capture):
    timeline, written = read(capture, "bundle")
    truth, problems = Truth(written), find(timeline, written).problems
    if truth.has_device_work:
        counted = [kind for kind in COUNTED if kind != "waits-dropped" or "no-sync-records" not in problems]
        assert {kind: problems.get(kind, 0) for kind in counted} == {kind: truth.losses[kind] for kind in counted}
    else:
        assert "no-gpu-trace" in problems


@thorough
@given(healthy_captures())
def test_healthy_program_has_no_problem(capture):
    """But for what its recording never held: a profile, device work, synchronisation."""
    timeline, written = read(capture, "bundle")
    truth = Truth(written)
    expected = {kind for kind in truth.losses if kind != "waits-dropped"}
    if not written.profiles:
        expected.add("no-ort-profile")
    if not truth.has_device_work:
        expected = {"no-gpu-trace"} | (expected & {"no-ort-profile", "profile-truncated"})
    elif not any(window.stream_waits or window.host_waits for window in written.windows.values()):
        expected.add("no-sync-records")
    else:
        expected |= truth.losses.keys() & {"waits-dropped"}
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
