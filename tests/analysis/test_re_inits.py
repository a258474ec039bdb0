from __future__ import annotations

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses


def program(*, creation_us: int, first_us: int, tracer_us: int = 0) -> Scene:
    """Five runs of 100 µs, every 200 µs; another C session; its first run; five more runs."""
    scene, now = Scene().session(0, 0, 50), 1000
    for _ in range(5):
        scene.hook("run", now, 100, session=0)
        now += 200
    scene.hook("set_providers", now, creation_us, session=1)
    scene.session(1, now, creation_us, reason="set_providers", replaces=0)
    now += creation_us
    if tracer_us:
        scene.hook("ortprobe.profiler_start", now, tracer_us)
        now += tracer_us
    for length_us in (first_us, 100, 100, 100, 100, 100):
        scene.hook("run", now, length_us, session=1)
        now += length_us + 100
    return scene


def test_without_a_re_initialisation_only_the_runs_are_left(tmp_path):
    (found,) = Analyses(program(creation_us=5000, first_us=1100).load(tmp_path)).without_re_inits
    assert (found.sessions, found.runs, found.re_inits) == ((0, 1), 11, 1)
    assert found.pace_ns == (2_000_000 + 5_000_000 + 1_000_000) // 10
    assert found.without_ns == 200_000
    assert found.high_ns == 300_000


def test_the_tracers_own_work_is_not_the_programs(tmp_path):
    (found,) = Analyses(program(creation_us=5000, first_us=1100, tracer_us=70_000).load(tmp_path)).without_re_inits
    assert found.without_ns == 200_000


def test_a_program_that_keeps_its_session_has_nothing_to_leave_out():
    assert captures.example("healthy").without_re_inits == ()


def test_the_recorded_re_initialisation():
    (found,) = captures.example("set-providers").without_re_inits
    assert found.re_inits == 1
    assert found.without_ns < found.high_ns < found.pace_ns
