from __future__ import annotations

import captures
from asking import ask, finding, named, runs
from cases.session_recreated import fault, near_miss
from scene import Scene

from ortprobe.rules import Confidence, Passed, Severity
from ortprobe.timeline import Kind, Site


def test_set_providers_between_runs(tmp_path):
    found = ask("S1", fault(tmp_path))
    assert (found.count, found.cost_ns, found.severity, found.confidence) == (
        1, 500_000, Severity.WARNING, Confidence.CERTAIN
    )  # fmt: skip
    assert found.where == (Site(file="app.py", line=12),)


def test_resnet_was_re_initialised_once():
    timeline = captures.resnet()
    found = ask("S1", timeline)
    assert (found.count, found.confidence) == (1, Confidence.LIKELY)
    assert 220_000_000 < found.cost_ns < 240_000_000
    assert [Kind(int(timeline.spans.kind[span])) for span in found.evidence] == [
        Kind.ORT_LOAD,
        Kind.ORT_INITIALIZE,
        Kind.ORT_RUN,
    ]


def test_the_call_and_the_runs_after_it_are_told_apart_and_divided(tmp_path):
    scene = Scene().session(0, 0, 100).session(1, 10_000, 300, reason="set_providers", replaces=0)
    found = finding("S1", runs(runs(scene, 0, 1000, 50, 10, 10), 1, 20_000, 210, 30, 10, 10), tmp_path)
    assert found.detail.startswith("This set_providers call cost 300 µs + 220 µs in its next 2 runs (session 1)")
    assert "nothing was tuned" not in found.detail, "no trace watched the GPU"
    detail = ask("S1", captures.resnet()).detail
    assert "This creation cost 132 ms + 102 ms in its next 2 runs" in detail
    assert "loading the model 73.6 ms, initialising on the host 43.7 ms, uploading 97.3 MiB from pageable" in detail
    assert "Conv nodes on the host 97.2 ms" in detail
    assert "nothing was tuned on it" in detail


def test_before_the_first_run_it_is_no_more_than_information(tmp_path):
    scene = Scene().session(0, 0, 100).session(1, 200, 300, reason="set_providers", replaces=0)
    assert finding("S1", runs(scene, 1, 1000, 50, 10, 10), tmp_path).severity is Severity.INFO


def test_a_session_for_each_request(tmp_path):
    scene = Scene()
    for number in range(4):
        scene.session(number, number * 10_000, 500, model_path="m.onnx", owner=number, site="serve.py:7")
        runs(scene, number, number * 10_000 + 1000, 40)
        scene.release(number, number * 10_000 + 2000)
    found = finding("S1", scene, tmp_path)
    assert (found.count, found.severity, found.confidence) == (3, Severity.WARNING, Confidence.LIKELY)
    assert found.cost_ns == 1_500_000
    assert found.where == (Site(file="serve.py", line=7),)


def test_one_session_for_the_whole_program(tmp_path):
    assert ask("S1", runs(Scene().session(0, 0, 100), 0, 1000, 50, 10, 10).load(tmp_path)) == Passed()


def test_two_models_side_by_side(tmp_path):
    assert ask("S1", near_miss(tmp_path)) == Passed()


def test_a_session_that_never_ran_is_told_so_and_evidence_is_its_own(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 200, 10, session=0)
    scene.session(1, 1000, 300, reason="set_providers", replaces=0).hook("copy_", 1100, 10, thread=9)
    timeline = scene.load(tmp_path)
    found = ask("S1", timeline)
    assert found.detail == "This set_providers call cost 300 µs (session 1): it never ran."
    assert named(timeline, found) == ["InferenceSession"]


def test_under_a_clock_that_was_set_it_is_certain_and_its_cost_is_not(tmp_path):
    scene = Scene().session(0, 0, 100).session(1, 10_000, 300, reason="set_providers", replaces=0)
    runs(runs(scene, 0, 1000, 50, 10, 10), 1, 20_000, 210, 30, 10, 10)
    found = finding("S1", scene.clocks(0).clocks(15_000, ahead_us=400_000), tmp_path)
    assert (found.title, found.cost_ns, found.paid) == ("The session was built again once by set_providers", None, None)
    assert found.detail.startswith("What it cost: can't tell, because ")
    assert (found.count, found.confidence) == (1, Confidence.CERTAIN)
