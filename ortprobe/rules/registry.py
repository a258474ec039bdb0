"""All rules, in the order of the catalogue: sessions, bindings, first runs, idling."""

from __future__ import annotations

from ortprobe.rules import (
    cold_first_run,
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
    output_never_bound.RULE,
    cold_first_run.RULE,
)
