"""One program traced six times by an H200, and three times with a layer more, in turn."""

from __future__ import annotations

from functools import cache

import pytest
from captures import DATA

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.accounts import PartKind
from ortprobe.analysis.comparison.comparison import Comparison, compare
from ortprobe.analysis.comparison.node_matches import NodeMatch
from ortprobe.analysis.comparison.verdict import Outcome
from ortprobe.ingest import load_bundle


@cache
def captures(variant: str) -> tuple[Analyses, ...]:
    return tuple(Analyses(load_bundle(DATA / "h200-diff" / f"{variant}-{number}.zip")) for number in range(3))


@cache
def changed(after: str, repeats: int) -> Comparison:
    return compare(captures("first")[:repeats], captures(after)[:repeats])


def test_three_captures_of_the_same_program_are_the_same():
    verdict = changed("second", 3).verdict
    assert verdict.outcome is Outcome.SAME
    assert verdict.within is not None
    assert verdict.within < 0.06


def test_a_layer_more_is_found_in_three_captures_and_named_first():
    found = changed("node", 3)
    assert found.verdict.outcome is Outcome.SLOWER
    (session,) = found.sessions
    account = session.account
    assert account is not None
    assert (account.parts[0].part.kind, account.name_of(account.parts[0].part)) == (PartKind.DEVICE, "matmul_20")
    assert sum(part.more_ns for part in account.parts) + account.beside_ns == account.stated_ns
    only_after = {node.pair.name for node in session.nodes if node.pair.match is NodeMatch.ONLY_AFTER}
    assert only_after == {"matmul_20", "relu_20"}


@pytest.mark.parametrize("after", ["second", "node"])
def test_one_capture_each_claims_no_more_than_it_can(after):
    assert changed(after, 1).verdict.outcome in (Outcome.SAME, Outcome.CANT_TELL)
