"""All rules, in the order of the catalogue: sessions, order, bindings, first runs, idling."""

from __future__ import annotations

from ortprobe.rules import (
    broken_session,
    cold_first_run,
    hidden_fallback,
    idle_between_runs,
    missing_wait_before_run,
    options_lost,
    output_never_bound,
    session_recreated,
    silent_cpu,
    stale_binding,
)
from ortprobe.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    session_recreated.RULE,
    stale_binding.RULE,
    options_lost.RULE,
    hidden_fallback.RULE,
    broken_session.RULE,
    silent_cpu.RULE,
    missing_wait_before_run.RULE,
    output_never_bound.RULE,
    cold_first_run.RULE,
    idle_between_runs.RULE,
)
