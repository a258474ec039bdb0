"""The README's examples, run as they are printed."""

from __future__ import annotations

import re

import numpy as np
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
    assert len(blocks) == 4
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


def test_the_question_in_sql_has_the_answer_of_the_one_in_pandas(asked, tmp_path, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    asked["ortprobe"].load("tests/data/h100-service.ortprobe").to_parquet(tmp_path / "tables")
    (query,) = re.findall(r"```sql\n(.*?)```", QUESTIONS, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    answer = duckdb.sql(query).fetchall()
    expected = asked["by_node"].nlargest(10, "sum")
    assert [(gpu_ns, times) for _, _, gpu_ns, times in answer] == list(expected.itertuples(index=False, name=None))


def test_the_catalogue_is_that_of_the_rules():
    assert rules_markdown(RULES).strip() in README
