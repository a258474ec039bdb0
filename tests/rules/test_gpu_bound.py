from __future__ import annotations

import captures
import pytest
from asking import ask

from ortprobe.rules import Passed, Severity


def test_a_run_that_waits_for_its_own_work_is_told_so():
    found = ask("N5", captures.recorded("graph"))
    assert (found.severity, found.cost_ns) == (Severity.INFO, None)
    assert "366 µs" in found.title
    assert "Gemm 60.5 %" in found.detail, "what takes the GPU's time"


@pytest.mark.parametrize("name", ["busy_default_stream", "host_works_after_slow_kernel"])
def test_a_gpu_that_is_busy_with_the_work_of_others_is_not_the_sessions(name):
    assert ask("N5", captures.race_program(name)) == Passed()


def test_a_launch_bound_session_passes():
    assert ask("N5", captures.workload("tiny-threads")) == Passed()
