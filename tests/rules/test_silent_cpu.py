from __future__ import annotations

import pytest
from asking import ask
from cases.silent_cpu import CPU, CUDA, TENSORRT, fault, session

from ortprobe.rules import NotApplicable, Passed, Severity


def test_cuda_was_asked_for_and_is_not_there(tmp_path):
    found = ask("S7", fault(tmp_path))
    assert (found.severity, found.cost_ns) == (Severity.WARNING, None)
    assert found.where[0].line == 2


@pytest.mark.parametrize(("asked", "got"), [((CUDA, CPU), (CUDA, CPU)), ((TENSORRT, CUDA, CPU), (CUDA, CPU))])
def test_a_gpu_provider_is_there(tmp_path, asked, got):
    assert ask("S7", session(asked, got).load(tmp_path)) == Passed()


def test_nobody_asked_for_a_gpu(tmp_path):
    outcome = ask("S7", session((CPU,), (CPU,)).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
