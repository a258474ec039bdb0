"""What runs at once gained, of runs whose pace is planted, and of any runs by the definition, moment by moment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import PROCESS, Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.concurrency import Concurrency, concurrency_of, demand_of
from ortprobe.timeline import Timeline

ALONE_US = 100
Pair = tuple[int, int]
"""(how much later the second one begins, how long both take), in µs."""


def pairs_after_runs_alone(pairs: list[Pair], alone: int = 6) -> Timeline:
    """Runs alone of two sessions, then pairs of both at once."""
    scene, now_us = Scene(), 0
    for session in range(2):
        scene.session(session, -1000 + 100 * session, 50, owner=session)
    for session in [0, 1] * alone:
        scene.hook("run", now_us, ALONE_US, session=session, thread=PROCESS + session)
        now_us += 2 * ALONE_US
    for later_us, dur_us in pairs:
        scene.hook("run", now_us, dur_us, session=0, thread=PROCESS)
        scene.hook("run", now_us + later_us, dur_us, session=1, thread=PROCESS + 1)
        now_us += later_us + dur_us + ALONE_US
    with tempfile.TemporaryDirectory() as folder:
        return scene.load(Path(folder))


def concurrency(timeline: Timeline) -> Concurrency:
    return concurrency_of(timeline, Analyses(timeline).runs, np.ones(len(timeline.runs), np.bool_))


@pytest.mark.parametrize(("dur_us", "gain"), [(100, 2.0), (200, 1.0), (400, 0.5)])
def test_twice_the_work_at_the_same_pace_is_a_gain_of_two(dur_us, gain):
    found = concurrency(pairs_after_runs_alone([(0, dur_us)] * 4))
    assert found.gain == pytest.approx(gain)
    assert (len(found.runs), found.most) == (8, 2)
    assert found.together_ns == found.compared_ns == 4 * dur_us * 1000


def test_runs_one_after_another_are_not_together():
    found = concurrency(pairs_after_runs_alone([(100, 100)] * 4))
    assert (len(found.runs), found.most, found.together_ns, found.gain) == (0, 1, 0, None)


def test_too_few_runs_alone_are_no_measure():
    found = concurrency(pairs_after_runs_alone([(0, 200)] * 4, alone=3))
    assert (len(found.runs), found.gain) == (8, None)
    assert found.together_ns == 800_000


OVERLAPPING = st.tuples(st.floats(0, 0.99), st.integers(1, 400)).map(lambda each: (int(each[0] * each[1]), each[1]))


@settings(max_examples=40, deadline=None)
@given(st.lists(OVERLAPPING, min_size=1, max_size=6))
def test_the_work_of_each_moment_is_summed(pairs: list[Pair]):
    found = concurrency(pairs_after_runs_alone(pairs))
    together_us = [dur_us - later_us for later_us, dur_us in pairs]
    work_us = [2 * ALONE_US / dur_us * both_us for (_, dur_us), both_us in zip(pairs, together_us, strict=True)]
    assert found.together_ns == found.compared_ns == 1000 * sum(together_us)
    assert found.alone_ns == pytest.approx(1000 * sum(work_us), abs=1)
    assert len(found.runs) == 2 * len(pairs)


def test_a_pool_is_shared_by_the_runs_of_its_session_and_callers_are_not():
    scene = Scene().session(0, -1000, 50).session(1, -900, 50, owner=1)
    for thread, (session, start_us) in enumerate([(0, 0), (0, 10), (1, 20)]):
        scene.hook("run", start_us, 100, session=session, thread=PROCESS + thread)
    with tempfile.TemporaryDirectory() as folder:
        timeline = scene.load(Path(folder))
    edges_ns, wanted = demand_of(timeline, np.arange(3), [4, 2])
    # 3 workers and a caller; a second caller; another session's caller and its worker; and back.
    assert wanted.tolist() == [4, 5, 7, 6, 2, 0]
    assert np.diff(edges_ns).tolist() == [10_000, 10_000, 80_000, 10_000, 10_000]
