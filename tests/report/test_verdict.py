from __future__ import annotations

import json
from dataclasses import replace

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.report.verdict import verdict
from ortprobe.rules import judge
from ortprobe.timeline import Problem, ProblemKind, Timeline


def verdict_on(timeline: Timeline) -> str:
    return verdict(judge(Analyses(timeline)))


def test_the_dearest_cause_with_its_figures():
    assert verdict_on(captures.resnet()) == "The session was built again once, which cost 234 ms (S1)"


def test_information_is_no_accusation():
    said = verdict_on(captures.healthy())
    assert said.startswith("nothing wrong found by the")
    assert "15 runs" in said
    assert "for lack of evidence" in said


def test_a_capture_with_a_hole_gets_no_verdict():
    problem = Problem(kind=ProblemKind.PROFILE_TRUNCATED, detail="ORT dropped 41,042 events")
    assert verdict_on(replace(captures.resnet(), problems=(problem,))) == "no verdict: ORT dropped 41,042 events"


def test_without_runs_there_is_no_verdict(tmp_path):
    said = verdict_on(Scene().torch_op("aten::add", 0, 5).load(tmp_path))
    assert said.startswith("no verdict: no inference")


def test_the_gravest_finding_speaks_and_the_others_are_counted(tmp_path):
    scene = Scene().session(0, 0, 100).hook("io_binding", 200, 1, session=0, binding=0).hook("run", 300, 10, session=0)
    scene.session(1, 1000, 100, reason="set_providers", replaces=0)
    scene.hook("run_with_iobinding", 2000, 1, session=1, binding=0, error="ValueError")
    said = verdict_on(scene.load(tmp_path))
    assert "(S2), and 1 more finding" in said


def verdict_of(tmp_path, **ending: object) -> str:
    scene = Scene().session(0, 0, 5, providers=("CPUExecutionProvider",))
    for start_us in (100, 200, 300, 400):
        scene.hook("run", start_us, 50, session=0)
    bundle = scene.write_bundle(tmp_path / "x.ortprobe")
    manifest = json.loads((bundle / "manifest.json").read_text())
    if ending:
        manifest["ending"].update(ending)
    else:
        del manifest["ending"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    return verdict_on(load_bundle(bundle))


def test_a_program_that_ended_well_is_not_mentioned(tmp_path):
    assert verdict_of(tmp_path, exit_code=0).startswith("nothing wrong found")


def test_a_program_that_raised_is_not_called_fine(tmp_path):
    sentence = verdict_of(tmp_path, exit_code=1, exception="ValueError: no such thing")
    assert sentence.startswith(
        "the program ended with exit code 1 (ValueError: no such thing); before that, nothing wrong"
    )


def test_a_program_that_was_killed_is_not_called_fine(tmp_path):
    assert verdict_of(tmp_path).startswith(
        "the program ended at once (killed, crashed, or by os._exit); before that, nothing wrong"
    )
