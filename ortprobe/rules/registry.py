"""All rules, in the order of the catalogue: sessions, order, bindings, first runs, idling."""

from __future__ import annotations

from ortprobe.rules import (
    broken_session,
    cold_first_run,
    dead_buffer,
    dlpack_taken_for_a_wait,
    hidden_fallback,
    idle_between_runs,
    input_overwritten_in_flight,
    missing_wait_before_run,
    needless_wait,
    options_lost,
    output_never_bound,
    output_overwritten_in_use,
    output_read_too_early,
    run_waits_for_torch,
    session_recreated,
    silent_cpu,
    stale_binding,
    torch_on_another_stream,
    user_stream_ignored,
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
    user_stream_ignored.RULE,
    torch_on_another_stream.RULE,
    output_read_too_early.RULE,
    input_overwritten_in_flight.RULE,
    needless_wait.RULE,
    run_waits_for_torch.RULE,
    dlpack_taken_for_a_wait.RULE,
    output_overwritten_in_use.RULE,
    dead_buffer.RULE,
    output_never_bound.RULE,
    cold_first_run.RULE,
    idle_between_runs.RULE,
)
