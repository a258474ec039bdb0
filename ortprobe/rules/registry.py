"""All rules, in the order of the catalogue: sessions, order, bindings, first runs."""

from __future__ import annotations

from ortprobe.rules import (
    cold_first_run,
    missing_wait_before_run,
    output_never_bound,
    session_recreated,
    silent_cpu,
    stale_binding,
)
from ortprobe.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    session_recreated.RULE,
    stale_binding.RULE,
    silent_cpu.RULE,
    missing_wait_before_run.RULE,
    output_never_bound.RULE,
    cold_first_run.RULE,
)
