"""What is made of the facts of a machine: which of them make a capture partial, and what it then lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ortprobe.capture.doctor.doctor import Check, Diagnosis, Status, diagnose
from ortprobe.capture.doctor.probes import Gpus, Loaded, Onnxruntime, Torch, Trace
from ortprobe.capture.doctor.survey import Failed, Folder, Orders, Survey

LOADED = Loaded(loaded=True)
NO_CUBLAS = Loaded(loaded=False, error="libcublasLt.so.13 is missing")
CPU = {"CPUExecutionProvider": Orders(LOADED, LOADED)}
CUDA = "CUDAExecutionProvider"
ORT_GPU = Onnxruntime("1.31.1", "13.0", "ORT Build Info: build type=Release", (CUDA, "CPUExecutionProvider"))
ORT_CPU = Onnxruntime("1.32.0", "", "ORT Build Info: build type=Release", ("CPUExecutionProvider",))
NO_GPU = Gpus(error="the NVIDIA driver's libcuda can't be loaded")
H100 = Survey(
    system="Linux",
    python="3.12.3",
    packages={"numpy": "2.4.6", "onnx": "1.23.2", "nvtx": "0.2.17"},
    distributions=("onnxruntime-gpu 1.31.1",),
    gpus=Gpus(("NVIDIA H100 80GB HBM3",), 1, "580.95.05", "13.0"),
    onnxruntime=ORT_GPU,
    torch=Torch("2.11.0+cu130", "13.0", ("NVIDIA H100 80GB HBM3",)),
    providers={CUDA: Orders(LOADED, LOADED), **CPU},
    trace=Trace(operators=64, kernels=16, waits=8, waits_resolved=8),
    nsys="NVIDIA Nsight Systems version 2025.3.1.90-253135822126v0",
    folder=Folder("/home/me", True, 50 << 30),
)
"""The machine of the recordings in tests/data: everything there, and of one CUDA version."""
CPU_ONLY = replace(
    H100,
    distributions=("onnxruntime 1.32.0",),
    gpus=NO_GPU,
    onnxruntime=ORT_CPU,
    torch=Torch("2.13.0+cpu", "", error="it was built without CUDA"),
    providers=CPU,
    trace=Trace(operators=64, kernels=0, waits=0, waits_resolved=0),
    nsys=None,
)
NODES = "the ONNX node behind each kernel of ORT"
ORT_KERNELS = "ORT's kernels and copies on the GPU"
TORCH_KERNELS = "torch's kernels and copies on the GPU"
EVENTS = "which event each wait on the GPU waits for"


def check(diagnosis: Diagnosis, name: str) -> Check:
    (found,) = (check for check in diagnosis.checks if check.id == name)
    return found


def problems(diagnosis: Diagnosis) -> set[str]:
    return {check.id for check in diagnosis.checks if check.status is Status.PROBLEM}


def lacks(diagnosis: Diagnosis) -> set[str]:
    return {lack.what for lack in diagnosis.lacks}


def test_a_machine_with_everything_captures_everything() -> None:
    diagnosis = diagnose(H100)
    assert diagnosis.complete
    assert {check.status for check in diagnosis.checks} == {Status.OK}
    assert diagnosis.lacks == ()
    assert {NODES, ORT_KERNELS, EVENTS} <= set(diagnosis.contains)


def test_every_check_says_what_it_means_and_what_is_wrong_says_what_to_do() -> None:
    worst = replace(
        H100,
        system="Windows",
        packages={},
        onnxruntime=Failed("DLL load failed"),
        torch=Failed("DLL load failed"),
        trace=Failed("crashed"),
        folder=Folder("/", False, 0),
    )
    for diagnosis in (diagnose(H100), diagnose(CPU_ONLY), diagnose(worst)):
        ids = [check.id for check in diagnosis.checks]
        assert len(set(ids)) == len(ids)
        for each in diagnosis.checks:
            assert each.found
            assert each.means
            assert "\n" not in each.found + each.means + each.fix
            assert bool(each.fix) == (each.status in (Status.WARNING, Status.PROBLEM))
    assert diagnose(worst).contains == ()


def test_without_a_gpu_a_capture_of_the_cpu_is_complete_and_says_what_it_has_not() -> None:
    diagnosis = diagnose(CPU_ONLY)
    assert diagnosis.complete
    gpu = check(diagnosis, "gpu")
    assert (gpu.status, gpu.found) == (
        Status.NOT_APPLICABLE,
        "no GPU here: the NVIDIA driver's libcuda can't be loaded",
    )
    assert "GPU work can't be captured" in gpu.means
    assert {TORCH_KERNELS, ORT_KERNELS, NODES, EVENTS} == lacks(diagnosis)


def test_a_gpu_build_without_a_gpu_names_what_is_missing_and_is_no_problem() -> None:
    image = replace(CPU_ONLY, onnxruntime=ORT_GPU, providers={CUDA: Orders(NO_CUBLAS), **CPU}, torch=None, trace=None)
    diagnosis = diagnose(image)
    assert diagnosis.complete
    assert "libcublasLt.so.13 is missing" in check(diagnosis, "provider.CUDA").found


def test_torch_of_another_cuda_version_leaves_onnxruntime_on_the_cpu() -> None:
    torch = Torch("2.11.0+cu128", "12.8", ("NVIDIA H100 80GB HBM3",))
    diagnosis = diagnose(replace(H100, torch=torch, providers={CUDA: Orders(NO_CUBLAS, NO_CUBLAS), **CPU}))
    assert problems(diagnosis) == {"cuda-versions", "provider.CUDA"}
    assert lacks(diagnosis) == {ORT_KERNELS, NODES}
    assert TORCH_KERNELS in diagnosis.contains
    assert "libcublasLt.so.13 is missing" in check(diagnosis, "provider.CUDA").found
    assert "a torch for CUDA 13" in check(diagnosis, "cuda-versions").fix


def test_another_cuda_version_is_a_warning_where_the_libraries_come_from_elsewhere() -> None:
    diagnosis = diagnose(replace(H100, torch=Torch("2.11.0+cu128", "12.8", ("NVIDIA H100 80GB HBM3",))))
    assert diagnosis.complete
    assert check(diagnosis, "cuda-versions").status is Status.WARNING


def test_cuda_that_only_loads_after_torch_is_a_warning_with_both_orders() -> None:
    diagnosis = diagnose(replace(H100, providers={CUDA: Orders(NO_CUBLAS, LOADED), **CPU}))
    assert diagnosis.complete
    cuda = check(diagnosis, "provider.CUDA")
    assert cuda.status is Status.WARNING
    assert "does not load (libcublasLt.so.13 is missing) without torch, loads after import torch" in cuda.found
    assert "preload_dlls()" in cuda.fix


def test_cuda_that_torch_breaks_is_a_problem() -> None:
    diagnosis = diagnose(replace(H100, providers={CUDA: Orders(LOADED, Failed("crashed with SIGSEGV")), **CPU}))
    assert problems(diagnosis) == {"provider.CUDA"}
    assert "fails (crashed with SIGSEGV) after import torch" in check(diagnosis, "provider.CUDA").found


def test_tensorrt_without_its_libraries_makes_nothing_partial() -> None:
    missing = Loaded(loaded=False, error="libnvinfer.so.10 is missing")
    diagnosis = diagnose(
        replace(H100, providers={**H100.providers, "TensorrtExecutionProvider": Orders(missing, missing)})
    )
    assert diagnosis.complete
    assert check(diagnosis, "provider.Tensorrt").status is Status.WARNING


@pytest.mark.parametrize(
    ("survey", "problem", "lost"),
    [
        (replace(H100, onnxruntime=ORT_CPU, providers=CPU), "provider.CUDA", {ORT_KERNELS, NODES}),
        (replace(H100, torch=None, trace=None), "torch", {TORCH_KERNELS, ORT_KERNELS, NODES, EVENTS}),
        (
            replace(H100, torch=Torch("2.13.0+cpu", "", error="it was built without CUDA")),
            "torch",
            {TORCH_KERNELS, ORT_KERNELS, NODES, EVENTS},
        ),
        (replace(H100, system="Windows"), "platform", {NODES}),
        (
            replace(H100, gpus=Gpus(installed=1, driver="535.1", error="CUDA error 803")),
            "gpu",
            {TORCH_KERNELS, ORT_KERNELS, NODES, EVENTS},
        ),
        (replace(H100, gpus=Failed("no answer within 120 s")), "gpu", {TORCH_KERNELS, ORT_KERNELS, NODES, EVENTS}),
        (replace(H100, trace=Trace(64, 16, 8, 0)), "sync-events", {EVENTS}),
        (replace(H100, onnxruntime=replace(ORT_GPU, version="1.18.1")), "onnxruntime", None),
        (replace(H100, folder=Folder("/", False, 50 << 30)), "disk", None),
        (replace(H100, folder=Folder("/", True, 1 << 20)), "disk", None),
    ],
)
def test_what_can_be_captured_here_and_would_be_missing_is_a_problem(
    survey: Survey, problem: str, lost: set[str] | None
) -> None:
    diagnosis = diagnose(survey)
    assert not diagnosis.complete
    assert problem in problems(diagnosis)
    if lost is None:
        assert diagnosis.contains == ()
    else:
        assert lost <= lacks(diagnosis)
        assert diagnosis.contains


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("NSYS_PROFILING_SESSION_ID", "Nsight Systems"),
        ("NV_COMPUTE_PROFILER_PERFWORKS_DIR", "Nsight Compute"),
        ("NV_SANITIZER_INJECTION_PORT_RANGE_BEGIN", "compute-sanitizer"),
    ],
)
def test_a_tool_that_took_cupti_is_named(name: str, tool: str) -> None:
    refused = "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED (39)"
    taken = replace(H100, variables={name: "1"}, trace=Trace(64, 0, 0, 0, (refused,)))
    diagnosis = diagnose(taken)
    assert problems(diagnosis) == {"cupti"}
    assert check(diagnosis, "cupti").found == f"a trial recorded no kernel: {refused} ({tool})"
    assert check(diagnosis, "tools").status is Status.WARNING
    assert {TORCH_KERNELS, ORT_KERNELS, NODES, EVENTS} == lacks(diagnosis)


def test_a_tool_that_leaves_cupti_alone_is_a_warning() -> None:
    diagnosis = diagnose(replace(H100, variables={"NVTX_INJECTION64_PATH": "/opt/libtool.so"}))
    assert diagnosis.complete
    assert check(diagnosis, "tools").status is Status.WARNING


def test_two_packages_of_onnxruntime_side_by_side_are_told_apart() -> None:
    both = ("onnxruntime 1.32.0", "onnxruntime-gpu 1.31.1")
    found = check(diagnose(replace(H100, distributions=both)), "onnxruntime-packages")
    assert found.status is Status.WARNING
    assert "pip uninstall onnxruntime onnxruntime-gpu" in found.fix


def test_what_is_left_after_one_of_two_packages_was_uninstalled_needs_installing_again() -> None:
    left = Failed("AttributeError: module 'onnxruntime' has no attribute 'get_available_providers'")
    diagnosis = diagnose(replace(H100, onnxruntime=left, providers={}))
    assert diagnosis.contains == ()
    assert "--force-reinstall" in check(diagnosis, "onnxruntime").fix


def test_gpus_of_several_kinds_are_all_named() -> None:
    mixed = replace(H100, gpus=Gpus(("NVIDIA H100", "NVIDIA L4", "NVIDIA L4"), 3, "580.95.05", "13.0"))
    assert check(diagnose(mixed), "gpu").found.startswith("1 × NVIDIA H100, 2 × NVIDIA L4, driver 580.95.05")


def test_a_gpu_hidden_on_purpose_is_no_problem() -> None:
    hidden = replace(CPU_ONLY, gpus=Gpus(installed=1, error="CUDA error 100"), variables={"CUDA_VISIBLE_DEVICES": ""})
    diagnosis = diagnose(hidden)
    assert diagnosis.complete
    assert check(diagnosis, "gpu").found == "no GPU here: CUDA_VISIBLE_DEVICES='' hides it"


@pytest.mark.parametrize(
    ("nsys", "nvtx", "status", "means"),
    [
        ("2025.3.1.90", "0.2.17", Status.OK, "with ranges"),
        ("2024.6.1.90", "0.2.17", Status.OK, "with ranges as far as is known"),
        ("2023.4.4.54", "0.2.17", Status.OK, "with ranges, and without which event"),
        ("2022.4.2.1", "0.2.12", Status.OK, "with ranges, and without which event"),
        ("2021.3.1.54", "0.2.17", Status.WARNING, "not known"),
        ("2025.3.1.90", "0.2.11", Status.WARNING, "records nothing"),
        ("2025.3.1.90", "", Status.WARNING, "records nothing"),
    ],
)
def test_nsys_shows_ranges_of_some_versions_of_nvtx(nsys: str, nvtx: str, status: Status, means: str) -> None:
    version = f"NVIDIA Nsight Systems version {nsys}-253135822126v0"
    found = check(diagnose(replace(H100, nsys=version, packages={**H100.packages, "nvtx": nvtx})), "nsys")
    assert found.status is status
    assert means in found.means


@pytest.mark.parametrize(
    ("config", "status"),
    [("ACTIVITIES_MAX_GPU_BUFFER_SIZE_MB=2048\n", Status.OK), ("A=1\n", Status.WARNING), (None, Status.WARNING)],
)
def test_a_kineto_configuration_of_ones_own_needs_room_for_gpu_records(config: str | None, status: Status) -> None:
    survey = replace(H100, variables={"KINETO_CONFIG": "/etc/kineto.conf"}, kineto_config=config)
    assert check(diagnose(survey), "kineto").status is status
    daemon = replace(survey, variables={"KINETO_USE_DAEMON": "1"})
    assert "KINETO_USE_DAEMON" in check(diagnose(daemon), "kineto").found


def test_versions_that_nobody_tried_are_warnings() -> None:
    diagnosis = diagnose(replace(H100, python="3.14.0", onnxruntime=replace(ORT_GPU, version="1.33.0.dev20261101")))
    assert diagnosis.complete
    assert check(diagnosis, "python").status is Status.WARNING
    assert check(diagnosis, "onnxruntime").status is Status.WARNING
