"""Rules ask whether what they would say can be said."""

from __future__ import annotations

import captures
import pytest
from asking import ask
from holes import with_problem
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import Confidence, Finding, NotApplicable, Passed, Rule, Severity, judge
from ortprobe.timeline import ProblemKind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("F1", ProblemKind.CLOCK_STEPPED),
        ("I1", ProblemKind.LAUNCHES_WITHOUT_WORK),
        ("Y3", ProblemKind.WORK_BEFORE_LAUNCH),
        ("B9", ProblemKind.CALLS_LOST),
        ("S1", ProblemKind.CALLS_LOST),
        ("S7", ProblemKind.CALLS_LOST),
    ],
)
def test_a_rule_whose_evidence_is_spoilt_can_not_tell(code: str, kind: ProblemKind) -> None:
    sound = captures.example("healthy").timeline
    assert isinstance(ask(code, sound), Finding | Passed)
    outcome = ask(code, with_problem(sound, kind, 1000))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
    assert outcome.why.startswith("can't tell, because ")


def test_what_was_seen_is_said_whatever_else_was_not() -> None:
    again = with_problem(captures.example("set-providers").timeline, ProblemKind.CALLS_LOST)
    assert isinstance(ask("S1", again), Finding)


def test_a_rule_is_not_bothered_by_what_it_does_not_rest_on() -> None:
    timeline = with_problem(captures.example("missing-wait").timeline, ProblemKind.NO_ORT_PROFILE)
    assert isinstance(ask("Y1", timeline), Finding)


def costing(cost_ns: int) -> Rule:
    found = Finding(
        code="X1", severity=Severity.INFO, title="", detail="It is so.", count=2, cost_ns=cost_ns,
        confidence=Confidence.CERTAIN, where=(), evidence=(), fix="",
    )  # fmt: skip
    return Rule(code="X1", name="x", severity=Severity.INFO, check=lambda analyses: found, fix="")


def runs_with_and_without_tracing(scene: Scene) -> Scene:
    """Of 100 µs, and of 150 µs with everything attached."""
    scene.session(0, 0, 50).hook("run", 100, 500, session=0)
    for number in range(6):
        scene.hook("run", 1000 + 400 * number, 100, session=0)
        scene.hook("run", 1200 + 400 * number, 150, session=0, attached=3)
    return scene


@pytest.mark.parametrize(("each_us", "certain"), [(40, False), (60, True)])
def test_what_costs_less_than_tracing_adds_is_not_certain(tmp_path, each_us: int, certain: bool) -> None:
    analyses = Analyses(runs_with_and_without_tracing(Scene()).load(tmp_path))
    (finding,) = judge(analyses, (costing(2 * each_us * 1000),)).findings
    assert (finding.confidence is Confidence.CERTAIN) == certain
    assert ("tracing adds 50.0 µs to a run" in finding.detail) != certain


def test_where_nobody_knows_what_tracing_costs_nothing_is_doubted() -> None:
    (finding,) = judge(Analyses(captures.resnet()), (costing(10),)).findings
    assert finding.confidence is Confidence.CERTAIN
