"""Asking libraries in processes of their own: what comes back when they answer, crash, hang or make noise."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from captures import RACE, RESNET
from commands import ENVIRONMENT

from ortprobe.capture.doctor.probes import Gpus, Loaded, Onnxruntime, Torch, Trace, count_rows
from ortprobe.capture.doctor.survey import Failed, ask, shortened

CUDA_PROVIDER_LOG = """\
\x1b[1;31m2026-11-22 21:43:42.354768447 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] \
/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:2043 onnxruntime::Provider& \
onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library \
/env/lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: \
cannot open shared object file: No such file or directory
\x1b[m
\x1b[0;93m2026-11-22 21:43:42.354792619 [W:onnxruntime:Default, onnxruntime_pybind_state.cc:1295 \
CreateExecutionProviderFactoryInstance] Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 13.*. \
Please install all dependencies as mentioned in the GPU requirements page, and that your GPU is supported.\x1b[m
"""
"""Printed by onnxruntime-gpu 1.31.1 where there is no CUDA."""

CUPTI_LOG = """\
USDT:2026-11-22 21:50:00 25337:25337 SyncActivityProfilerHandler.cpp:52] profiler_start
WARNING:2024-02-02 09:53:39 166:166 init.cpp:155] function cbapi->getCuptiStatus() failed with error \
CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED (39)
WARNING:2024-02-02 09:53:39 166:166 init.cpp:156] CUPTI initialization failed - CUDA profiler activities will be missing
INFO:2024-02-02 09:53:39 166:166 init.cpp:158] If you see CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, refer to \
https://developer.nvidia.com/nvidia-development-tools-solutions-err-nvgpuctrperm-cupti
"""
"""The lines of pytorch issue 118982, with the error that a second subscriber gets."""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the probes' Python looks into before the installed packages."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}")
    return tmp_path


def test_libraries_that_work_answer_for_themselves() -> None:
    import onnxruntime
    import torch

    ort, of_torch = ask(Onnxruntime, "onnxruntime"), ask(Torch, "torch")
    assert isinstance(ort, Onnxruntime)
    assert (ort.version, ort.providers) == (onnxruntime.__version__, tuple(onnxruntime.get_available_providers()))
    assert isinstance(of_torch, Torch)
    assert of_torch.version == torch.__version__
    assert isinstance(ask(Gpus, "gpus"), Gpus)


@pytest.mark.parametrize("first", [[], ["torch"]])
def test_a_provider_counts_as_loaded_when_the_session_has_it(first: list[str]) -> None:
    assert ask(Loaded, "provider", "CPUExecutionProvider", *first) == Loaded(loaded=True)
    absent = ask(Loaded, "provider", "NoSuchProvider", *first)
    assert isinstance(absent, Loaded)
    assert not absent.loaded
    assert "Unknown Provider Type: NoSuchProvider" in absent.error


def test_the_trial_trace_goes_through_the_captures_own_profiler() -> None:
    trace = ask(Trace, "trace")
    assert isinstance(trace, Trace)
    assert trace.operators > 0
    assert trace.lost == ()


@pytest.mark.parametrize(
    ("recording", "kernels", "resolves"),
    [(RACE / "healthy_kineto.json.gz", 492, True), (RESNET / "kineto.json.gz", 2342, False)],
)
def test_rows_of_an_h100_are_counted(recording: Path, kernels: int, resolves: bool) -> None:
    """The first was recorded with CUPTI's kind CUDA_EVENT enabled, the second without."""
    trace = count_rows(gzip.decompress(recording.read_bytes()))
    assert trace.kernels == kernels
    assert trace.waits > 0
    assert trace.waits_resolved == (trace.waits if resolves else 0)


def test_a_crash_a_hang_and_an_import_error_are_answers(plant: Path) -> None:
    library = plant / "onnxruntime.py"
    library.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert ask(Onnxruntime, "onnxruntime") == Failed("crashed with SIGSEGV")
    library.write_text("import time\ntime.sleep(60)")
    assert ask(Onnxruntime, "onnxruntime", timeout_s=1) == Failed("no answer within 1 s")
    library.write_text("raise ImportError('libcudart.so.12: cannot open shared object file: No such file')")
    assert ask(Onnxruntime, "onnxruntime") == Failed("libcudart.so.12 is missing")
    library.write_text("import os\nos._exit(0)")
    assert ask(Onnxruntime, "onnxruntime") == Failed("ended without an answer")


def test_noise_of_libraries_does_not_touch_the_answer(plant: Path) -> None:
    (plant / "sitecustomize.py").write_text("print('started')")
    (plant / "torch.py").write_text("import os\nprint('hello')\nos.write(1, b'{}')\nos.write(2, b'warning')")
    assert ask(Loaded, "provider", "CPUExecutionProvider", "torch") == Loaded(loaded=True)


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        (CUDA_PROVIDER_LOG, "libcublasLt.so.13 is missing"),
        (
            'Error loading "onnxruntime_providers_cuda.dll" which depends on "cublasLt64_13.dll" which is missing.',
            "cublasLt64_13.dll is missing",
        ),
        (CUPTI_LOG, "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED (39)"),
        (
            "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'a'",
            "ModuleNotFoundError: No module named 'a'",
        ),
        ("", ""),
    ],
)
def test_one_line_says_what_is_wrong(printed: str, line: str) -> None:
    assert shortened(printed) == line
