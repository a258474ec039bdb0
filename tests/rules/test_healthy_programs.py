"""Ten programs without a fault, traced on this machine: no rule raises an alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from captures import DATA
from commands import ROOT, ortprobe

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.rules import Judgement, RuleFailed, Severity, judge

PROGRAMS = ROOT / "tests" / "benchmarks" / "healthy_programs.py"
HALVES = (
    ("user_stream", "numpy_service", "thread_pool", "two_sessions", "cuda_graph"),
    ("shape_buckets", "torch_before_and_after", "subgraphs", "async_runs", "dlpack"),
)
"""In two processes, each of which is five programs one after another."""
SESSIONS = (7, 5)
"""How many they make: `thread_pool` and `two_sessions` two each."""
ROUNDS = 64


@pytest.fixture(scope="module", params=[0, 1], ids=["first five", "last five"])
def half(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Judgement]:
    folder: Path = tmp_path_factory.mktemp("healthy")
    words = ("trace", "--no-report", "--active", 4, "--torch-runs", 4, "-o", ".", PROGRAMS, *HALVES[request.param])
    done = ortprobe(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return request.param, judge(Analyses(load_bundle(folder / "healthy_programs.ortprobe")))


def test_all_of_their_runs_are_in_the_capture(half: tuple[int, Judgement]) -> None:
    number, judgement = half
    runs = judgement.analyses.timeline.runs
    by_session = np.bincount(runs.session, minlength=SESSIONS[number])
    assert len(by_session) == SESSIONS[number]
    assert by_session.sum() >= (6, 5)[number] * ROUNDS  # the two workers of `thread_pool` share its rounds
    assert by_session.min() > 0
    assert set(runs.attached.tolist()) > {0}


def test_no_rule_raises_an_alarm_and_none_breaks(half: tuple[int, Judgement]) -> None:
    _, judgement = half
    assert [finding.title for finding in judgement.findings if finding.severity is not Severity.INFO] == []
    assert [judged for judged in judgement.judged if isinstance(judged.outcome, RuleFailed)] == []
    assert judgement.has_verdict


@pytest.mark.parametrize("name", [name for half in HALVES for name in half])
def test_no_rule_raises_an_alarm_on_a_gpu(name: str) -> None:
    """The same programs as an H200 ran them."""
    judgement = judge(Analyses(load_bundle(DATA / "h200-healthy" / f"{name}.zip")))
    assert [finding.title for finding in judgement.findings if finding.severity is not Severity.INFO] == []
    assert [judged for judged in judgement.judged if isinstance(judged.outcome, RuleFailed)] == []
    assert judgement.has_verdict
