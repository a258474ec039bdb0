from __future__ import annotations

from asking import ask
from cases.hidden_fallback import fault, near_miss

from ortprobe.rules import Passed, Severity


def test_ort_went_back_to_the_cpu_inside_a_run(tmp_path):
    timeline = fault(tmp_path)
    found = ask("S4", timeline)
    assert (found.count, found.cost_ns, found.severity) == (1, 700_000, Severity.WARNING)
    assert "CPUExecutionProvider" in found.title
    assert ask("S1", timeline) == Passed()


def test_a_session_that_the_program_made_on_the_cpu_is_no_fallback(tmp_path):
    assert ask("S4", near_miss(tmp_path)) == Passed()
