from __future__ import annotations

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import CUDA_DEFAULTS, SessionLives

CUDA = "CUDAExecutionProvider"


def lives_of(scene: Scene, folder) -> SessionLives:
    return Analyses(scene.load(folder)).sessions


def runs(scene: Scene, session: int, start_us: float, *durations_us: float, attached: int = 0) -> Scene:
    for number, dur_us in enumerate(durations_us):
        scene.hook("run", start_us + 1000 * number, dur_us, session=session, attached=attached)
    return scene


def test_two_lives_of_resnet():
    sessions = Analyses(captures.resnet()).sessions
    first, second = sessions.lives
    assert (first.runs, second.runs) == (5, 5)
    assert sessions.re_inits == 1
    assert first.re_init_cost_ns is None
    assert second.re_init_cost_ns == second.creation_ns + second.first_runs.excess_ns == sessions.re_init_cost_ns
    assert second.first_run_ns == 103_658_000
    assert first.end_ns <= second.session.start_ns


def test_a_re_initialisation_costs_its_creation_and_its_slow_first_run(tmp_path):
    scene = Scene().session(0, 0, 100).session(1, 10_000, 300, reason="set_providers", replaces=0)
    runs(runs(scene, 0, 1000, 50, 10, 10), 1, 20_000, 210, 10, 12, 8)
    sessions = lives_of(scene, tmp_path)
    assert sessions.re_init_cost_ns == 300_000 + 200_000
    assert sessions.lives[0].end_ns == sessions.lives[1].session.start_ns


def test_a_re_initialisation_costs_every_run_until_it_is_steady(tmp_path):
    scene = Scene().session(0, 0, 100).session(1, 10_000, 300, reason="set_providers", replaces=0)
    runs(runs(scene, 0, 1000, 50, 10, 10), 1, 20_000, 210, 30, 10, 10)
    assert lives_of(scene, tmp_path).re_init_cost_ns == 300_000 + 200_000 + 20_000


def test_a_steady_run_is_one_under_the_same_tracing_as_the_first(tmp_path):
    scene = runs(Scene().session(0, 0, 100), 0, 1000, 500, 40, 44, attached=3)
    (life,) = lives_of(runs(scene, 0, 10_000, 10, 10, 10, 10, 10), tmp_path).lives
    assert life.steady_run_ns == 42_000


def test_one_more_run_is_not_enough_to_know_what_is_steady(tmp_path):
    (life,) = lives_of(runs(Scene().session(0, 0, 100), 0, 1000, 500, 40), tmp_path).lives
    assert life.steady_run_ns is None
    assert life.first_run_excess_ns is None


def test_a_creation_that_failed_is_no_re_initialisation(tmp_path):
    scene = (
        Scene().session(0, 0, 100).session(1, 10_000, 5, reason="set_providers", replaces=0, error="Unknown Provider")
    )
    sessions = lives_of(runs(scene, 0, 1000, 50, 10, 10), tmp_path)
    assert sessions.re_inits == 0
    assert sessions.re_init_cost_ns is None


def test_options_that_went_back_to_their_defaults(tmp_path):
    before = {CUDA: {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "1", "device_id": "1", "unknown": "1"}}
    after = {CUDA: {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "0", "device_id": "0", "unknown": "0"}}
    scene = Scene().session(0, 0, 100, provider_options=before)
    scene.session(
        1, 10_000, 5, reason="set_providers", replaces=0, provider_options=after, previous_provider_options=before
    )
    changes = lives_of(scene, tmp_path).lives[1].options_reset
    assert [(change.option, change.before, change.after) for change in changes] == [
        ("cudnn_conv_algo_search", "HEURISTIC", "EXHAUSTIVE"), ("device_id", "1", "0")
    ]  # fmt: skip


def test_options_that_the_call_changed(tmp_path):
    before, after = {"device_id": "0", "use_tf32": "1", "gone": "1"}, {"device_id": "1", "use_tf32": "1", "own": "2"}
    scene = Scene().session(0, 0, 100, provider_options={CUDA: before})
    scene.session(
        1, 10_000, 5, reason="set_providers", replaces=0, provider_options={CUDA: after},
        previous_provider_options={CUDA: before}, requested_options={CUDA: after},
    )  # fmt: skip
    life = lives_of(scene, tmp_path).lives[1]
    assert [(change.option, change.before, change.after) for change in life.options_changed] == [
        ("device_id", "0", "1")
    ]
    assert life.options_reset == ()


def test_the_defaults_are_those_that_onnxruntime_states():
    """A session of onnxruntime-gpu 1.31.1 that was given no options."""
    stated = dict(captures.example("set-providers").timeline.sessions[0].provider_options[CUDA])
    assert stated.pop("has_user_compute_stream") == "0"
    assert stated == CUDA_DEFAULTS


def test_a_profile_without_its_sessions_making_leaves_the_creation_unmeasured(tmp_path):
    scene = Scene()
    scene.profile().run(10, 50)
    (life,) = lives_of(scene, tmp_path).lives
    assert life.creation_ns is None


def test_a_session_that_left_no_line_does_not_shift_the_others(tmp_path):
    scene = Scene().session(1, 0, 100, model_path="b.onnx").session(4, 200, 50, replaces=4)
    analyses = Analyses(runs(runs(scene, 1, 1000, 10), 4, 2000, 20, 20).load(tmp_path))
    assert [(life.session.model, life.runs, life.session.replaces) for life in analyses.sessions.lives] == [
        ("b.onnx", 1, None), ("", 2, None)
    ]  # fmt: skip


def test_a_session_from_before_the_capture_has_runs_and_no_first_run(tmp_path):
    analyses = Analyses(runs(Scene().hook("synchronize", 0, 1), -1, 1000, 30, 10, 10).load(tmp_path))
    assert analyses.runs.index_in_session.tolist() == [1, 2, 3]
    assert (analyses.runs.first_ns, analyses.runs.median_ns) == (None, 10_000)


def test_the_same_model_again_when_the_session_before_is_done(tmp_path):
    scene = Scene()
    for number in range(3):
        scene.session(number, number * 10_000, 100, model_path="m.onnx", owner=number)
        runs(scene, number, number * 10_000 + 1000, 10)
        scene.release(number, (number + 1) * 10_000 + 100)
    assert [life.repeats for life in lives_of(scene, tmp_path).lives] == [None, 0, 1]


def test_session_that_the_program_keeps_is_not_repeated_by_a_later_one(tmp_path):
    """Each thread of a pool has its own, and one of them begins when the others are through."""
    scene = Scene()
    for number in range(3):
        scene.session(number, number * 10_000, 100, model_path="m.onnx", owner=number)
        runs(scene, number, number * 10_000 + 1000, 10)
    scene.release(0, 29_000).release(1, 29_000)
    assert [life.repeats for life in lives_of(scene, tmp_path).lives] == [None, None, None]


def test_two_sessions_that_work_side_by_side_repeat_nothing(tmp_path):
    scene = Scene().session(0, 0, 100, model_path="m.onnx").session(1, 200, 100, model_path="m.onnx", owner=1)
    runs(runs(scene, 0, 1000, 10, 10), 1, 1500, 10, 10)
    assert [life.repeats for life in lives_of(scene, tmp_path).lives] == [None, None]
