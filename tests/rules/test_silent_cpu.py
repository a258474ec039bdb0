from __future__ import annotations

import captures
import pytest
from asking import ask, finding
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity

CUDA, CPU, TENSORRT = "CUDAExecutionProvider", "CPUExecutionProvider", "TensorrtExecutionProvider"


def test_cuda_was_asked_for_and_is_not_there(tmp_path):
    scene = Scene().session(0, 0, 100, requested_providers=(CUDA, CPU), providers=(CPU,), site="app.py:2")
    found = finding("S7", scene, tmp_path)
    assert (found.severity, found.cost_ns) == (Severity.WARNING, None)
    assert found.where[0].line == 2


@pytest.mark.parametrize(("asked", "got"), [((CUDA, CPU), (CUDA, CPU)), ((TENSORRT, CUDA, CPU), (CUDA, CPU))])
def test_a_gpu_provider_is_there(tmp_path, asked, got):
    assert ask("S7", Scene().session(0, 0, 100, requested_providers=asked, providers=got).load(tmp_path)) == Passed()


def test_nobody_asked_for_a_gpu(tmp_path):
    outcome = ask("S7", Scene().session(0, 0, 100, requested_providers=(CPU,), providers=(CPU,)).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_without_hooks_nobody_knows_what_was_asked_for():
    outcome = ask("S7", captures.healthy())
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
