"""Budgets: how they are written, and when they are kept to."""

from __future__ import annotations

import captures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.analysis.analyses import Analyses
from ortprobe.errors import UsageError
from ortprobe.rules.gate.budget import Limit, judge_limit, parse_budget
from ortprobe.rules.gate.measured import Measured, Metric, Unit
from ortprobe.rules.gate.metrics import METRICS
from ortprobe.rules.gate.standing import Standing

WRITTEN = [
    ("re_inits", 0, "re_inits", 0),
    ("syncs_per_run", 1.5, "syncs_per_run", 1.5),
    ("median", "2.5 ms", "median", 2_500_000),
    ("median", "2.5ms", "median", 2_500_000),
    ("p99", "1 s", "p99", 1e9),
    ("first_run", "800 µs", "first_run", 800_000),
    ("first_run", "800 us", "first_run", 800_000),
    ("median_ms", 2.5, "median", 2_500_000),
    ("gpu_time_us", 10, "gpu_time", 10_000),
    ("idle_share", "30 %", "idle_share", 0.3),
    ("idle_share_percent", 30, "idle_share", 0.3),
]


@pytest.mark.parametrize(("key", "value", "metric", "most"), WRITTEN)
def test_units_stand_in_the_value_or_in_the_key(key, value, metric, most):
    (limit,) = parse_budget({key: value}, "b.toml")
    assert (limit.metric.key, limit.most, limit.source) == (metric, pytest.approx(most), "b.toml")


REFUSED = {
    "unknown, and the nearest": ({"reinits": 0}, "reinits; did you mean re_inits"),
    "unknown, and nothing near": ({"zzz": 0}, "there are sessions, re_inits"),
    "time without unit": ({"median": 3}, "say the unit, as in median"),
    "unit of something else": ({"median": "3 %"}, "say the unit"),
    "share without unit": ({"idle_share": 0.3}, "say the unit"),
    "unit in both": ({"median_ms": "3 ms"}, "median_ms"),
    "negative": ({"races": -1}, "races = -1"),
    "text for a count": ({"races": "none"}, "races = 'none'"),
    "yes for a count": ({"races": True}, "races = True"),
    "not a number": ({"races": float("nan")}, "races = nan"),
    "endless": ({"races": float("inf")}, "races = inf"),
    "table": ({"races": {"max": 0}}, "write it as in races = 0"),
    "twice": ({"median": "1 ms", "median_us": 1}, "median is limited twice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_budget_is_refused_in_one_line(name):
    document, told = REFUSED[name]
    with pytest.raises(UsageError) as refused:
        parse_budget(document, "b.toml")
    assert str(refused.value).startswith("b.toml: ")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers())))
def test_any_other_table_is_refused_and_nothing_else_happens(document):
    try:
        limits = parse_budget(document, "b.toml")
    except UsageError:
        return
    assert {limit.metric.key for limit in limits} <= {metric.key for metric in METRICS}


bounds = st.floats(0, 10)
ANY_CAPTURE = Analyses(captures.healthy())


@given(low=bounds, wide=st.none() | bounds, most=bounds)
def test_a_limit_is_kept_to_only_where_all_that_may_be_true_keeps_to_it(low, wide, most):
    high = None if wide is None else low + wide
    metric = Metric(
        key="x", unit=Unit.COUNT, meaning="", measure=lambda analyses: Measured(low=low, high=high, why="because")
    )
    standing = judge_limit(Limit(metric=metric, most=most, source=""), ANY_CAPTURE).standing
    if standing is Standing.PASSED:
        assert high is not None
        assert high <= most
    elif standing is Standing.FAILED:
        assert low > most
    else:
        assert standing is Standing.CANT_TELL
        assert low <= most
        assert high is None or high > most


def test_a_figure_that_breaks_can_not_be_told():
    def breaks(analyses: Analyses) -> Measured:
        raise KeyError("no such span")

    metric = Metric(key="x", unit=Unit.COUNT, meaning="", measure=breaks)
    result = judge_limit(Limit(metric=metric, most=1, source=""), ANY_CAPTURE)
    assert result.standing is Standing.CANT_TELL
    assert "KeyError" in result.measured.why
