"""The README's examples, run as they are printed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from captures import service
from commands import ROOT

from ortprobe.report.rule_pages import rules_markdown
from ortprobe.rules import RULES
from ortprobe.timeline import NONE
from ortprobe.timeline.frames import TABLES

README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


QUESTIONS = section("Ask your own questions")


@pytest.fixture
def asked(monkeypatch) -> dict[str, object]:
    """Every name that the section's Python defines, once it has run in a checkout."""
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", QUESTIONS, re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        exec(block, names)
    return names


def test_the_answers_to_the_examples_questions_are_true(asked):
    timeline = service()
    spans, links, ops = timeline.spans, timeline.links, timeline.device_ops.span
    with_node = ops[links.node[ops] != NONE]
    assert asked["by_node"]["sum"].sum() == spans.duration_ns[with_node].sum()
    assert asked["by_node"]["count"].sum() == len(with_node)

    of_run = ops[links.run[ops] != NONE]
    gpu_ns = np.bincount(links.run[of_run], spans.duration_ns[of_run], len(timeline.runs)).astype(np.int64)
    runs = asked["runs"]
    assert runs.gpu_ns.to_numpy(np.int64, na_value=0).tolist() == gpu_ns.tolist()
    assert runs.gpu_ns.isna().tolist() == (gpu_ns == 0).tolist()

    slowest = int((timeline.runs.end_ns - timeline.runs.start_ns).argmax())
    assert asked["slowest"].name == slowest
    start_ns, end_ns = timeline.runs.start_ns[slowest], timeline.runs.end_ns[slowest]
    during = ops[(spans.start_ns[ops] < end_ns) & (spans.end_ns[ops] > start_ns)]
    assert 0 < len(during) < len(ops)
    assert asked["during"].index.tolist() == during.tolist()


def test_the_section_names_every_frame():
    table = "\n".join(line for line in QUESTIONS.splitlines() if line.startswith("|"))
    assert set(re.findall(r"`(\w+)`", table)) >= set(TABLES)


def test_waits_and_gaps_are_those_of_the_timeline(asked):
    timeline = service()
    spans, waits = timeline.spans, timeline.waits.span
    known = waits[timeline.links.hook[waits] != NONE]
    named = known[timeline.hooks.site[timeline.links.hook[known]] != NONE]
    assert asked["waits"].duration_ns.sum() == spans.duration_ns[waits].sum()
    assert len(named) > 40
    assert asked["stalls"]["sum"].sum() == spans.duration_ns[named].sum()

    ops = timeline.device_ops.span
    for lane in np.unique(spans.lane[ops]):
        own = ops[spans.lane[ops] == lane]
        before_ns = np.maximum.accumulate(spans.end_ns[own])[:-1]
        gaps = asked["gaps"].loc[own].gap_ns
        assert gaps.isna().tolist() == [True] + [False] * (len(own) - 1)
        assert gaps.iloc[1:].tolist() == (spans.start_ns[own[1:]] - before_ns).tolist()


@pytest.fixture
def answers(asked, tmp_path, monkeypatch) -> list[list[tuple[object, ...]]]:
    """What DuckDB answers to each question in SQL, in their order."""
    duckdb = pytest.importorskip("duckdb")
    asked["ortprobe"].load("tests/data/h100-service.ortprobe").to_parquet(tmp_path / "tables")
    (text,) = re.findall(r"```sql\n(.*?)```", QUESTIONS, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    return [duckdb.sql(query).fetchall() for query in text.split(";") if query.strip()]


def test_the_questions_in_sql_have_the_answers_of_those_in_pandas(asked, answers):
    kernels, runs, during, waits, gaps = answers
    by_node = asked["by_node"].nlargest(10, "sum")
    assert [row[2:] for row in kernels] == rows_of(by_node)
    assert runs == rows_of(asked["runs"][["latency_ns", "gpu_ns"]].reset_index())
    by_kind = asked["during"].groupby(["run", "kind"], observed=True).duration_ns.agg(["sum", "count"])
    assert sorted(during) == sorted(rows_of(by_kind.reset_index()))
    named = [row for row in waits if row[1] is not None]
    assert sorted(named) == sorted(rows_of(asked["stalls"].reset_index()))
    longest = asked["gaps"].nlargest(10, "gap_ns")[["lane_label", "gap_ns", "node_name", "run"]]
    assert sorted(map(str, gaps)) == sorted(map(str, rows_of(longest)))


def rows_of(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """As plain values, None for what is missing."""
    columns = [[None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame]
    return list(zip(*columns, strict=True))


def test_the_catalogue_is_that_of_the_rules():
    assert rules_markdown(RULES).strip() in README
