"""Programs with one fault of first runs, nodes or CUDA graphs each, and such that nearly have it, traced on an H200."""

from __future__ import annotations

import pytest
from captures import node_program

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import RULES, Finding, Severity

RULES_HERE = [rule for rule in RULES if rule.code[0] in "NG" or rule.code in ("F2", "F3", "F4", "F5")]
FOUND: dict[str, dict[str, str]] = {
    "arena_grows_with_the_batch": {"F3": "info", "F4": "warning"},
    "arena_shrinks_after_each_run": {"F4": "warning"},
    "bounds_computed_on_the_gpu": {"N2": "warning"},
    "bounds_known_before": {"N4": "info"},
    "casts_between_layers": {"N5": "info", "N6": "warning"},
    "convolutions_of_new_shapes": {"F2": "warning", "F3": "info"},
    "convolutions_of_three_shapes": {"F2": "warning"},
    "encoder_of_ever_new_shapes": {"F3": "info", "N4": "info"},
    "graph_for_each_binding": {"N5": "info"},
    "graph_on_a_new_thread_each_time": {"F5": "info", "G1": "warning"},
    "graph_replayed": {"N5": "info"},
    "graph_switched_off_by_each_run": {"G1": "warning", "N4": "info"},
    "graph_with_other_buffers": {"G2": "error", "N5": "info"},
    "large_kernels": {"N5": "info"},
    "largest_batch_first": {"F3": "info"},
    "nodes_on_the_cpu": {"N1": "warning", "N2": "warning"},
    "one_precision": {"N5": "info"},
    "optimisation_off": {"N4": "info", "N7": "warning"},
    "optimisation_on": {"N4": "info"},
    "pool_of_two_threads": {},
    "selected_by_indices": {"N3": "info", "N4": "info"},
    "selected_by_mask": {"N4": "info"},
    "shapes_computed_on_the_cpu": {"N4": "info"},
    "thread_for_each_run": {"F5": "info"},
    "tiny_kernels": {"N4": "info"},
}
"""Program → what these rules find in it. Small models on a large GPU are launch-bound, whatever else is in them."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_planted_is_found_and_nothing_else(name: str) -> None:
    analyses = Analyses(node_program(name))
    outcomes = {rule.code: rule.check(analyses) for rule in RULES_HERE}
    found = {code: outcome.severity for code, outcome in outcomes.items() if isinstance(outcome, Finding)}
    assert found == {code: Severity(severity) for code, severity in FOUND[name].items()}
