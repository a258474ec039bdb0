"""Programs whose threads or pauses are planted, and near misses, as an H200 with 16 processors ran them."""

from __future__ import annotations

import pytest
from captures import DATA

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.rules import RULES, Finding, Severity

CODES = ("C1", "C2", "I2")
FOUND: dict[str, dict[str, Severity]] = {
    "threads_on_one_stream": {"C1": Severity.INFO},
    "threads_on_two_streams": {},
    "cpu_sessions_with_all_cores": {"C2": Severity.WARNING},
    "cpu_sessions_with_one_thread": {},
    "runs_after_pauses": {},
    "runs_in_a_row": {},
}
"""Program → what these rules find in it. The clocks of this GPU do not fall in pauses, so I2 finds nothing."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_planted_is_found_and_nothing_else(name: str) -> None:
    analyses = Analyses(load_bundle(DATA / "h200-concurrency" / f"{name}.zip"))
    outcomes = {rule.code: rule.check(analyses) for rule in RULES if rule.code in CODES}
    found = {code: outcome.severity for code, outcome in outcomes.items() if isinstance(outcome, Finding)}
    assert found == FOUND[name]
