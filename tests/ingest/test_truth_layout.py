"""What a capture says does not depend on how its files are laid out, and a file that is cut off says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces.found import find, offset_bounds
from traces.origin import What
from traces.reading import WAYS, read, wrong_links
from traces.strategies import Capture, healthy_captures, lossy_captures, profile_layouts, trace_layouts
from traces.truth import Truth

from ortprobe.errors import UnreadableInput

thorough = settings(
    deadline=None, max_examples=60, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large)
)
SHARES = st.floats(0, 1, exclude_max=True)
CUT = {"cut-off", "no-end-mark"}
"""The latter where all events are before the cut."""
FAR_NS = 40 * 86_400 * 10**9


def laid_out(capture: Capture, **layouts: object) -> Capture:
    return replace(capture, recording=replace(capture.recording, **layouts))


@thorough
@given(healthy_captures() | lossy_captures(), trace_layouts(), profile_layouts(), st.sampled_from(WAYS))
def test_blanks_compression_order_and_place_of_the_base_change_nothing(capture, trace, profile, way):
    """Nor do the fences of ORT 1.20, flow events, nor rows of metadata."""
    other = laid_out(capture, trace=trace, profile=profile, has_flows=True, has_metadata=True)
    # Which events a full profile drops depends on how many there are, and so on the fences.
    fences = replace(profile, has_fences=capture.recording.profile.has_fences)
    other = laid_out(other, profile=fences) if capture.recording.losses.profile_events else other
    (timeline, written), (timeline_of_other, other_written) = read(capture, way), read(other, way)
    assert find(timeline, written) == find(timeline_of_other, other_written)
    assert offset_bounds(timeline, written) == offset_bounds(timeline_of_other, other_written)


@thorough
@given(healthy_captures())
def test_every_time_is_the_true_one(capture):
    """To the ns in torch's trace, whose base lies up to 40 days back; of ORT's, start and length lose less than a µs
    each."""
    capture = laid_out(capture, base_before_ns=min(capture.recording.base_before_ns, FAR_NS))
    times = find(*read(capture, "stated")).times
    history = capture.history
    for origin, (start_ns, end_ns) in times.items():
        if origin.what in (What.CALL, What.WORK, What.OP):
            true = getattr(history, origin.what.value)[origin.number]
            assert (start_ns, end_ns) == (true.start_ns, true.end_ns)
        elif origin.what is What.EXECUTION:
            execution = history.executions[origin.number]
            assert 0 <= execution.start_ns - start_ns < 1_000
            assert 0 <= execution.end_ns - end_ns < 2_000


@thorough
@given(healthy_captures(), SHARES, st.sampled_from(("trace", "profile")))
def test_file_of_a_bundle_that_is_cut_off_says_so_and_misleads_nobody(capture, share, which):
    layout = replace(getattr(capture.recording, which), kept_share=share, shuffle=0)
    timeline, written = read(laid_out(capture, **{which: layout}), "bundle")
    found = find(timeline, written)
    assert (CUT | {"empty-source"}) & found.problems.keys() or (which == "profile" and not written.profiles)
    assert not wrong_links(found, Truth(written))


@thorough
@given(healthy_captures(), SHARES, st.sampled_from(("trace", "profile")))
def test_bare_file_that_is_cut_off_is_refused_or_says_so(capture, share, which):
    layout = replace(getattr(capture.recording, which), kept_share=share, shuffle=0)
    capture = laid_out(capture, **{which: layout})
    try:
        timeline, written = read(capture, "stated")
    except UnreadableInput:
        return
    assert CUT & find(timeline, written).problems.keys() or (which == "profile" and not written.profiles)


@pytest.mark.parametrize("way", WAYS)
@settings(thorough, max_examples=5)
@given(capture=healthy_captures())
def test_trace_without_its_closing_mark_says_so(way, capture):
    trace = replace(capture.recording.trace, has_window_end=False)
    timeline, written = read(laid_out(capture, trace=trace), way)
    assert find(timeline, written).problems["no-end-mark"] == len(written.windows)
