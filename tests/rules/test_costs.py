from __future__ import annotations

import captures
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import Confidence, Finding, Severity, judge
from ortprobe.rules.costs import count_once, stretches
from ortprobe.timeline.intervals import total_ns


def paid(code: str, *bounds: tuple[int, int], cost_ns: int | None = None) -> Finding:
    """A finding that was paid in these stretches, for as long as they last unless said otherwise."""
    when = stretches(bounds)
    return Finding(
        code=code, severity=Severity.WARNING, title=code, detail="", count=1, confidence=Confidence.CERTAIN, where=(),
        evidence=(), fix="", cost_ns=total_ns(when) if cost_ns is None else cost_ns, paid=when,
    )  # fmt: skip


def test_what_was_paid_at_the_same_time_is_counted_with_the_first():
    first, second, third = count_once([paid("A", (0, 100)), paid("B", (50, 150)), paid("C", (500, 510))], runs=10)
    assert (first.own_cost_ns, first.counted_with) == (100, ())
    assert (second.own_cost_ns, second.counted_with) == (50, ("A",))
    assert (third.own_cost_ns, third.counted_with) == (10, ())
    assert (second.cost_ns, second.cost_per_run_ns) == (100, 10)


def test_a_cost_that_is_part_of_its_time_is_shared_in_proportion():
    _, second = count_once([paid("A", (0, 100)), paid("B", (50, 150), cost_ns=10)], runs=1)
    assert second.own_cost_ns == 5


def test_a_finding_without_cost_takes_no_time_from_others():
    _, second = count_once([paid("A", (0, 100), cost_ns=0), paid("B", (0, 100))], runs=1)
    assert (second.own_cost_ns, second.counted_with) == (100, ())


bounds = st.tuples(st.integers(0, 200), st.integers(1, 50)).map(lambda each: (each[0], each[0] + each[1]))


@given(st.lists(st.lists(bounds, min_size=1, max_size=4), min_size=1, max_size=5))
def test_all_that_is_counted_is_the_time_that_passed(findings):
    counted = count_once([paid(str(number), *each) for number, each in enumerate(findings)], runs=1)
    passed_ns = total_ns(stretches(bound for each in findings for bound in each))
    assert abs(sum(finding.own_cost_ns for finding in counted) - passed_ns) <= len(counted) / 2


def test_a_first_run_is_counted_once_beside_a_re_initialisation():
    findings = {each.code: each for each in judge(Analyses(captures.resnet())).findings}
    assert findings["S1"].cost_ns == findings["S1"].own_cost_ns
    assert all(each.own_cost_ns is None or each.own_cost_ns <= each.cost_ns for each in findings.values())
