"""What fails a check: findings by severity and by rule, budgets, growth, and what can't be told."""

from __future__ import annotations

from pathlib import Path

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.errors import UsageError
from ortprobe.rules import RULES, Judgement, Passed, Rule, Severity, judge
from ortprobe.rules.gate.baseline import judge_growth, judge_times
from ortprobe.rules.gate.budget import parse_budget
from ortprobe.rules.gate.check import Check, check
from ortprobe.rules.gate.policy import parse_policy
from ortprobe.rules.gate.standing import Standing


def set_providers() -> Judgement:
    """One warning, S1, and one that is worth knowing, F1; B4 lacks its evidence."""
    return judge(captures.example("set-providers"))


def checked(fail_on: str, ignore: str = "", judgement: Judgement | None = None, **budget: object) -> Check:
    return check(judgement or set_providers(), parse_policy([fail_on], [ignore]), parse_budget(budget, "b.toml"))


def standing_of(code: str, done: Check) -> Standing:
    (result,) = (result for result in done.rules if result.judged.rule.code == code)
    return result.standing


POLICIES = [
    ("error", "", Standing.PASSED),
    ("warning", "", Standing.FAILED),
    ("info", "", Standing.FAILED),
    ("none", "", Standing.PASSED),
    ("S1", "", Standing.FAILED),
    ("session_recreated", "", Standing.FAILED),
    ("session-recreated", "", Standing.FAILED),
    ("f1", "", Standing.FAILED),
    ("Y1", "", Standing.PASSED),
    ("error, F1", "", Standing.FAILED),
    ("warning", "S1", Standing.PASSED),
    ("info", "S1,cold_first_run", Standing.PASSED),
    ("S1", "S1", Standing.PASSED),
    ("B4", "", Standing.CANT_TELL),
    ("B4", "B4", Standing.PASSED),
]


@pytest.mark.parametrize(("fail_on", "ignore", "expected"), POLICIES)
def test_which_findings_fail(fail_on, ignore, expected):
    assert checked(fail_on, ignore).standing is expected


def test_how_each_rule_came_out():
    done = checked("warning", "S1")
    assert standing_of("S1", done) is Standing.IGNORED
    assert standing_of("F1", done) is Standing.NOTED
    assert standing_of("Y1", done) is Standing.PASSED
    assert standing_of("B4", done) is Standing.SKIPPED


@pytest.mark.parametrize(
    ("fail_on", "ignore", "told"),
    [
        ("warnign", "", "fail_on 'warnign': did you mean warning?"),
        ("session_recraeted", "", "nearest: S1 .session_recreated."),
        ("none,S1", "", "none stands alone"),
        ("warning", "Z9", "ignore 'Z9': no rule has this code or name"),
        ("warning", "error", "ignore 'error': no rule has this code or name"),
    ],
)
def test_words_that_name_nothing_are_refused(fail_on, ignore, told):
    with pytest.raises(UsageError, match=told.replace("?", r"\?")):
        parse_policy([fail_on], [ignore])


def test_a_rule_that_broke_is_not_taken_for_one_that_passed():
    def breaks(analyses: Analyses) -> Passed:
        raise KeyError("no such span")

    rules = (*RULES, Rule(code="X1", name="broken", severity=Severity.INFO, check=breaks, fix=""))
    judgement = judge(captures.example("healthy"), rules)
    assert checked("warning", judgement=judgement).standing is Standing.CANT_TELL
    assert checked("none", judgement=judgement).standing is Standing.PASSED


def test_budgets_fail_or_can_not_be_told():
    assert checked("none", re_inits=1).standing is Standing.PASSED
    assert checked("none", re_inits=0).standing is Standing.FAILED
    assert checked("none", p99="1 ms").standing is Standing.CANT_TELL, "of fewer than 100 untraced runs"
    assert checked("none", p99="1 ms", re_inits=0).standing is Standing.FAILED
    assert checked("none", p99="2 ms").standing is Standing.PASSED, "traced and untraced runs together stay below"


def test_a_capture_that_allows_no_verdict_never_passes():
    judgement = judge(Analyses(captures.load_files(ort=[captures.RACE / "racy_ort.json.gz"],
                                                   torch=[captures.RESNET / "kineto.json.gz"])))  # fmt: skip
    done = checked("none", judgement=judgement)
    assert done.standing is Standing.CANT_TELL
    assert done.blind


def growth(judgement: Judgement, baseline: Analyses) -> dict[str, Standing]:
    results = judge_growth(judgement.analyses, baseline, "base")
    return {result.limit.metric.key: result.standing for result in results}


def test_counts_may_not_grow():
    found = growth(set_providers(), captures.example("healthy"))
    assert found["re_inits"] is found["kernels_per_run"] is Standing.FAILED
    assert found["races"] is found["cpu_nodes"] is Standing.PASSED
    assert set(growth(set_providers(), captures.example("set-providers")).values()) == {Standing.PASSED}
    assert growth(judge(captures.example("healthy")), captures.example("set-providers"))["re_inits"] is Standing.PASSED


def test_what_the_baseline_does_not_tell_is_not_compared():
    found = growth(set_providers(), Analyses(captures.healthy()))
    assert found["sessions"] is Standing.SKIPPED


def test_what_the_baseline_told_has_to_be_told_again():
    found = growth(judge(Analyses(captures.healthy())), captures.example("healthy"))
    assert found["sessions"] is Standing.CANT_TELL


def on_cpu(folder: Path) -> Analyses:
    scene = Scene().session(0, 0, 70, providers=("CPUExecutionProvider",))
    for number in range(4):
        scene.hook("run", 1000 * (number + 1), 300, session=0)
    return Analyses(scene.load(folder))


def test_a_program_on_the_cpu_can_be_compared_with_itself(tmp_path):
    judgement = judge(on_cpu(tmp_path))
    results = judge_growth(judgement.analyses, judgement.analyses, "base")
    assert check(judgement, parse_policy(["warning"], []), (), results).standing is Standing.PASSED


def test_runs_that_take_longer_than_in_the_baseline_fail():
    fast, slow = captures.example("set-providers"), captures.example("healthy")
    slower = judge_times(slow, fast, "base", 0.05)
    assert slower.standing is Standing.FAILED
    assert 0.05 < slower.measured.low < 687 / 513 - 1 < slower.measured.high
    assert judge_times(fast, slow, "base", 0.05).standing is Standing.PASSED
    assert judge_times(slow, slow, "base", 0.1).standing is Standing.PASSED
    assert judge_times(slow, slow, "base", 0.05).standing is Standing.CANT_TELL, "processes differ by as much"


def test_times_of_too_few_runs_can_not_be_compared(tmp_path):
    few = on_cpu(tmp_path)
    assert judge_times(few, few, "base", 0.05).standing is Standing.CANT_TELL
