from __future__ import annotations

import captures

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import RULES, Confidence, Finding, Passed, Rule, RuleFailed, Severity, judge


def found(code: str, severity: Severity, cost_ns: int | None) -> Rule:
    finding = Finding(
        code=code, severity=severity, title=code, detail="", count=1, cost_ns=cost_ns, confidence=Confidence.CERTAIN,
        where=(), evidence=(), fix="",
    )  # fmt: skip
    return Rule(code=code, name=code.lower(), severity=severity, check=lambda analyses: finding, fix="")


def crashes(analyses: Analyses) -> Passed:
    raise KeyError("no such span")


def test_a_rule_that_crashes_takes_nobody_with_it():
    broken = Rule(code="X1", name="broken", severity=Severity.INFO, check=crashes, fix="")
    judgement = judge(Analyses(captures.healthy()), (broken, found("A1", Severity.INFO, 5)))
    assert [type(judged.outcome) for judged in judgement.judged] == [RuleFailed, Finding]
    assert "KeyError" in judgement.judged[0].outcome.error
    assert [finding.code for finding in judgement.findings] == ["A1"]


def test_the_gravest_comes_first_then_the_dearest():
    rules = (
        found("I", Severity.INFO, 900), found("W-cheap", Severity.WARNING, 1),
        found("W-unknown", Severity.WARNING, None), found("W-dear", Severity.WARNING, 100),
        found("E", Severity.ERROR, None),
    )  # fmt: skip
    judgement = judge(Analyses(captures.healthy()), rules)
    assert [finding.code for finding in judgement.findings] == ["E", "W-dear", "W-cheap", "W-unknown", "I"]


def test_no_rule_of_ours_crashes_on_a_real_capture():
    for capture in (captures.resnet, captures.racy, captures.healthy):
        judgement = judge(Analyses(capture()))
        assert [judged.rule.code for judged in judgement.judged] == [rule.code for rule in RULES]
        assert not [judged for judged in judgement.judged if isinstance(judged.outcome, RuleFailed)]


def test_a_capture_that_only_rules_about_captures_can_judge_has_no_verdict():
    passes = [
        Rule(code=code, name=code, severity=Severity.INFO, check=lambda _: Passed(), fix="") for code in ("M1", "A1")
    ]
    for rules, has_verdict in ((passes[:1], False), (passes, True)):
        judgement = judge(Analyses(captures.healthy()), rules)
        assert (judgement.has_verdict, bool(judgement.could_judge)) == (has_verdict, has_verdict)
