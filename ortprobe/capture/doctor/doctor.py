"""Would a capture work here, and what would it contain? Judged from a `Survey` alone, so also for another machine's.

A capture is complete when nothing is missing that could be captured here: without a GPU, the work on the CPU is all
there is. So a machine without a GPU is no problem, and a GPU that onnxruntime, torch or CUPTI can't use is one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ortprobe import __version__
from ortprobe.capture.doctor.probes import Gpus, Loaded, Onnxruntime, Torch, Trace
from ortprobe.capture.doctor.survey import Failed, Orders, Survey
from ortprobe.capture.environment import CUPTI_TOOLS
from ortprobe.units import format_bytes

OLDEST_ONNXRUNTIME, NEWEST_ONNXRUNTIME = (1, 20), (1, 32)
NEWEST_PYTHON = (3, 12)
CPU_PROVIDER, CUDA_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"
GPU_PROVIDERS = (CUDA_PROVIDER, "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")
LOW_DISK_BYTES, FULL_DISK_BYTES = 1 << 30, 64 << 20
_BUFFER_SETTING = re.compile(r"^\s*ACTIVITIES_MAX_GPU_BUFFER_SIZE_MB\s*=\s*(\d+)", re.MULTILINE)
_BUFFER_MIB = 1024
"""What a capture sets where KINETO_CONFIG is free; Kineto's own limit is 128 (Config.cpp)."""
_TOOLS = {**CUPTI_TOOLS, "NVTX_INJECTION64_PATH": "the library in NVTX_INJECTION64_PATH"}


class Status(StrEnum):
    """How a check ended; only a problem makes a capture partial."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    NOT_APPLICABLE = "not_applicable"


_OK, _WARNING, _PROBLEM, _NOT_APPLICABLE = Status


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, what it means for a capture, and what to do ("" for nothing)."""

    id: str
    status: Status
    found: str
    means: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a capture here would not contain, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The checks, and what they come to."""

    checks: tuple[Check, ...]
    contains: tuple[str, ...]
    lacks: tuple[Lack, ...]

    @property
    def complete(self) -> bool:
        """Whether a capture here has all that could be captured here."""
        return not any(check.status is _PROBLEM for check in self.checks)


_CUDA = "provider.CUDA"
_ALWAYS = ("onnxruntime", "numpy", "disk")
_ON_GPU = ("gpu", "torch", "cupti")
_PARTS = (
    ("sessions, bindings and runs, with the line of code behind each", ()),
    ("how long each ONNX node took on the host (ORT's profile)", ()),
    ("torch's copies, clones and waits, with the line of code behind each", ("torch",)),
    ("torch's operators on the host", ("torch", "torch-profiler")),
    ("torch's kernels and copies on the GPU", _ON_GPU),
    ("ORT's kernels and copies on the GPU", (*_ON_GPU, _CUDA)),
    ("the ONNX node behind each kernel of ORT", (*_ON_GPU, _CUDA, "platform")),
    ("which event each wait on the GPU waits for", (*_ON_GPU, "sync-events")),
)
"""What a capture consists of, and the checks that each part needs."""


def diagnose(survey: Survey) -> Diagnosis:
    """Judge all that was found, and say what a capture would and would not contain."""
    checks = tuple(check for judge in _JUDGES for check in judge(survey))
    useless = {check.id: check.found for check in checks if check.status in (_PROBLEM, _NOT_APPLICABLE)}
    why = {what: [useless[need] for need in (*_ALWAYS, *needs) if need in useless] for what, needs in _PARTS}
    contains = tuple(what for what, reasons in why.items() if not reasons)
    return Diagnosis(checks, contains, tuple(Lack(what, reasons[0]) for what, reasons in why.items() if reasons))


def _python(survey: Survey) -> Iterator[Check]:
    found = f"Python {survey.python}, ortprobe {__version__}"
    if _version(survey.python) > NEWEST_PYTHON:
        yield Check("python", _WARNING, found, "tried with 3.11 and 3.12", "use one of these if a capture fails")
    else:
        yield Check("python", _OK, found, "tried with 3.11 and 3.12")


def _platform(survey: Survey) -> Iterator[Check]:
    if survey.system == "Linux":
        yield Check("platform", _OK, "Linux", "ORT's profile and torch's trace both count Unix epoch time")
    else:
        means = "only on Linux is it known which clock ORT's profile counts, to lay its nodes beside the GPU's work"
        yield Check("platform", _PROBLEM, survey.system, means, "capture on Linux")


def _packages(survey: Survey) -> Iterator[Check]:
    without = {
        "numpy": (_PROBLEM, "nothing can be captured: onnxruntime needs it"),
        "onnx": (_WARNING, "a program can be traced, a model.onnx and the examples can't"),
        "nvtx": (_WARNING, "a capture has everything, and Nsight Systems shows no ranges of ortprobe's"),
    }
    for name, (status, means) in without.items():
        if version := survey.packages.get(name):
            yield Check(name, _OK, f"{name} {version}", "it is there")
        else:
            yield Check(name, status, f"{name} is not installed", means, f"pip install {name}")


def _onnxruntime(survey: Survey) -> Iterator[Check]:
    ort, oldest, newest = survey.onnxruntime, *(f"{x}.{y}" for x, y in (OLDEST_ONNXRUNTIME, NEWEST_ONNXRUNTIME))
    if not isinstance(ort, Onnxruntime):
        found = f"onnxruntime can't be imported: {ort.reason}" if ort else "onnxruntime is not installed"
        fix = f"pip install {'--force-reinstall ' if ort else ''}onnxruntime-gpu, or onnxruntime for the CPU alone"
        yield Check("onnxruntime", _PROBLEM, found, "nothing can be captured", fix)
        return
    found = f"onnxruntime {ort.version}, {_built_for(ort.cuda)} ({ort.build.removeprefix('ORT Build Info: ')})"
    means = f"tried with {oldest} to {newest}"
    if _version(ort.version) < OLDEST_ONNXRUNTIME:
        fix = f"pip install -U 'onnxruntime-gpu>={oldest}'"
        yield Check("onnxruntime", _PROBLEM, found, f"{means}; this one may lack what a capture hooks into", fix)
    elif _version(ort.version) > NEWEST_ONNXRUNTIME:
        yield Check("onnxruntime", _WARNING, found, means, "see what the first report names as not captured")
    else:
        yield Check("onnxruntime", _OK, found, means)


def _distributions(survey: Survey) -> Iterator[Check]:
    found = ", ".join(survey.distributions)
    if len(survey.distributions) > 1:
        names = " ".join(each.partition(" ")[0] for each in survey.distributions)
        means = "they share one folder: the one installed last runs, and uninstalling either breaks the other"
        fix = f"pip uninstall {names}, then install one of them"
        yield Check("onnxruntime-packages", _WARNING, f"side by side: {found}", means, fix)
    elif survey.distributions:
        yield Check("onnxruntime-packages", _OK, found, "no second package to be confused with")
    else:
        yield Check(
            "onnxruntime-packages", _NOT_APPLICABLE, "no installed package brings onnxruntime", "see onnxruntime"
        )


def _cuda_versions(survey: Survey) -> Iterator[Check]:
    ort, torch = survey.onnxruntime, survey.torch
    if not (isinstance(ort, Onnxruntime) and isinstance(torch, Torch) and ort.cuda and torch.cuda):
        found = "not both onnxruntime and torch are there and built for CUDA"
        yield Check("cuda-versions", _NOT_APPLICABLE, found, "there is nothing to compare")
        return
    found = f"onnxruntime is {_built_for(ort.cuda)}, torch {_built_for(torch.cuda)}"
    if _version(ort.cuda)[:1] == _version(torch.cuda)[:1]:
        yield Check("cuda-versions", _OK, found, "torch's CUDA libraries can serve onnxruntime")
        return
    cuda = survey.providers.get(CUDA_PROVIDER)
    status = _PROBLEM if _has_gpu(survey) and not (cuda and _loads(cuda.after_torch)) else _WARNING
    means = "torch's CUDA libraries can't serve onnxruntime; without others it runs on the CPU, with only a log line"
    fix = f"install a torch for CUDA {ort.cuda.partition('.')[0]}, or an onnxruntime-gpu for torch's CUDA"
    yield Check("cuda-versions", status, found, means, fix)


def _providers(survey: Survey) -> Iterator[Check]:
    for name, orders in survey.providers.items():
        yield _provider(name, orders, _has_gpu(survey))
    if CUDA_PROVIDER in survey.providers:
        return
    check, found = _CUDA, "this onnxruntime has no CUDA provider"
    if not isinstance(survey.onnxruntime, Onnxruntime):
        yield Check(check, _NOT_APPLICABLE, "there is no onnxruntime to ask", "see onnxruntime")
    elif _has_gpu(survey):
        fix = "pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        yield Check(check, _PROBLEM, found, "a GPU is here, and onnxruntime computes on the CPU", fix)
    else:
        yield Check(check, _NOT_APPLICABLE, found, "onnxruntime computes on the CPU, and that is captured")


def _provider(name: str, orders: Orders, has_gpu: bool) -> Check:
    short = name.removesuffix("ExecutionProvider")
    check = f"provider.{short}"
    alone, after = _outcome(orders.alone), _outcome(orders.after_torch) if orders.after_torch else ""
    found = f"{short} {alone} without torch, {after} after import torch" if after else f"{short} {alone}"
    if _loads(orders.alone) and (not after or _loads(orders.after_torch)):
        return Check(check, _OK, found, f"a session that asks for {short} gets it")
    if name in GPU_PROVIDERS and not has_gpu:
        return Check(check, _NOT_APPLICABLE, found, "there is no GPU here that it could use")
    if _loads(orders.after_torch):
        means = f"a program that does not import torch first runs without {short}, and only a line on stderr says so"
        fix = "import torch first, or call onnxruntime.preload_dlls() (1.21 or later) before the first session"
        return Check(check, _WARNING, found, means, fix)
    means = f"a session that asks for {short} runs on what is left, and only a line on stderr says so"
    if name not in (CPU_PROVIDER, CUDA_PROVIDER):
        return Check(check, _WARNING, found, means, f"install what is missing, or don't ask for {short}")
    fix = "pip install 'onnxruntime-gpu[cuda,cudnn]', and call onnxruntime.preload_dlls() before the first session"
    return Check(check, _PROBLEM, found, means, fix)


def _gpu(survey: Survey) -> Iterator[Check]:
    gpus, hidden = survey.gpus, survey.variables.get("CUDA_VISIBLE_DEVICES")
    note = "GPU work can't be captured; the work on the CPU is all there is"
    if isinstance(gpus, Failed):
        yield Check("gpu", _PROBLEM, f"the driver gives no answer: {gpus.reason}", note, "see what nvidia-smi says")
    elif gpus.names:
        found = f"{_counted(gpus.names)}, driver {gpus.driver or 'unknown'}, for CUDA up to {gpus.cuda}"
        yield Check("gpu", _OK, found, "its work can be captured")
    elif gpus.installed and hidden is not None:
        yield Check("gpu", _NOT_APPLICABLE, f"no GPU here: CUDA_VISIBLE_DEVICES={hidden!r} hides it", note)
    elif gpus.installed:
        found = f"GPUs installed: {gpus.installed}, driver {gpus.driver}, but CUDA can't use them: {gpus.error}"
        yield Check("gpu", _PROBLEM, found, "GPU work can't be captured", "see what nvidia-smi says")
    else:
        yield Check("gpu", _NOT_APPLICABLE, f"no GPU here: {gpus.error}", note)


def _torch(survey: Survey) -> Iterator[Check]:
    torch, fix = survey.torch, "install a torch with CUDA, of the major version that onnxruntime is built for"
    timeline = "no GPU timeline: that comes from torch's profiler"
    if isinstance(torch, Failed):
        yield Check("torch", _PROBLEM, f"torch can't be imported: {torch.reason}", timeline, "install torch again")
    elif torch is None and _has_gpu(survey):
        yield Check("torch", _PROBLEM, "torch is not installed", timeline, fix)
    elif torch is None:
        yield Check("torch", _NOT_APPLICABLE, "torch is not installed", "there is no work of torch's to capture")
    elif _has_gpu(survey) and not torch.gpus:
        yield Check("torch", _PROBLEM, f"torch {torch.version} can't use the GPU: {torch.error}", timeline, fix)
    else:
        sees = f", sees {_counted(torch.gpus)}" if torch.gpus else ""
        yield Check("torch", _OK, f"torch {torch.version}, {_built_for(torch.cuda)}{sees}", "its calls are captured")


def _trace(survey: Survey) -> Iterator[Check]:
    trace = survey.trace
    why = trace.reason if isinstance(trace, Failed) else "; ".join(trace.lost) if trace else ""
    if trace is None:
        yield Check("torch-profiler", _NOT_APPLICABLE, "torch is not installed", "there is no profiler to try")
    elif isinstance(trace, Trace) and trace.operators:
        yield Check("torch-profiler", _OK, f"{trace.operators} operators in a trial", "torch's operators are captured")
    else:
        found = f"a trial recorded no operator: {why or 'no reason given'}"
        yield Check("torch-profiler", _PROBLEM, found, "torch's operators are not captured", "end any other profiler")
    if trace is None or not _has_gpu(survey):
        found = "no GPU to try it on" if trace else "torch is not installed"
        yield from (Check(check, _NOT_APPLICABLE, found, "see gpu and torch") for check in ("cupti", "sync-events"))
    else:
        yield _cupti(trace, why, " and ".join(_attached(survey)))
        yield _sync_events(trace, why)


def _cupti(trace: Trace | Failed, why: str, tools: str) -> Check:
    if isinstance(trace, Trace) and trace.kernels:
        return Check("cupti", _OK, f"free: {trace.kernels} kernels in a trial", "GPU work is captured")
    found = f"a trial recorded no kernel: {why or ('CUPTI is taken' if tools else 'no reason given')}"
    fix = "end other profilers; take CUDA's folders off LD_LIBRARY_PATH (pytorch #118982)"
    if tools:
        found, fix = f"{found} ({tools})", "run without the tool, or record with Nsight Systems: ortprobe nsys TARGET"
    return Check("cupti", _PROBLEM, found, "no work on the GPU is captured", fix)


def _sync_events(trace: Trace | Failed, why: str) -> Check:
    if not isinstance(trace, Trace) or not trace.kernels:
        return Check("sync-events", _NOT_APPLICABLE, "no GPU work in the trial", "see cupti")
    found = f"{trace.waits_resolved} of {trace.waits} waits in a trial name their event"
    if trace.waits and trace.waits_resolved == trace.waits:
        return Check("sync-events", _OK, found, "who waits for whom on the GPU can be told")
    means = "who waits for whom on the GPU can't be told, so a missing wait may go unjudged"
    fix = "try a torch with another CUPTI; torch 2.11 for CUDA 13 is known to work"
    return Check("sync-events", _PROBLEM, f"{found}: {why}" if why else found, means, fix)


def _tools(survey: Survey) -> Iterator[Check]:
    if tools := _attached(survey):
        means = "torch's profiler needs CUPTI, which serves one tool at a time; the check cupti tried it"
        fix = "run without it, or record with Nsight Systems: ortprobe nsys TARGET"
        yield Check("tools", _WARNING, f"attached: {', '.join(tools)}", means, fix)
    else:
        yield Check("tools", _OK, "no profiler or sanitizer is attached", "none competes for CUPTI")


def _kineto(survey: Survey) -> Iterator[Check]:
    path, setting = survey.variables.get("KINETO_CONFIG"), _BUFFER_SETTING.search(survey.kineto_config or "")
    if "KINETO_USE_DAEMON" in survey.variables:
        means = "a daemon (dynolog) may attach torch's profiler to the traced program, and torch allows one"
        yield Check("kineto", _WARNING, "KINETO_USE_DAEMON is set", means, "unset KINETO_USE_DAEMON")
    elif path is not None and (setting is None or int(setting[1]) < _BUFFER_MIB):
        limit = f"{setting[1]} MiB" if setting else "Kineto's own 128 MiB"
        means = f"ortprobe leaves it as it is; GPU records of a window beyond {limit} are lost"
        fix = f"unset it, or write ACTIVITIES_MAX_GPU_BUFFER_SIZE_MB={_BUFFER_MIB} into that file"
        yield Check("kineto", _WARNING, f"KINETO_CONFIG={path}", means, fix)
    else:
        found = f"KINETO_CONFIG={path}" if path else "KINETO_CONFIG is not set"
        yield Check(
            "kineto", _OK, found, f"a window may hold {setting[1] if setting else _BUFFER_MIB} MiB of GPU records"
        )


def _nsys(survey: Survey) -> Iterator[Check]:
    """Seen: ranges of nvtx 0.2.12 to 0.2.17 in nsys 2022.4, 2023.4 and 2025.3; `--cuda-event-trace` in 2025.3 alone."""
    if survey.nsys is None:
        yield Check("nsys", _NOT_APPLICABLE, "nsys is not on the PATH", "ortprobe trace does not need it")
        return
    package = survey.packages.get("nvtx", "")
    found, nsys, nvtx = f"{survey.nsys}, nvtx {package or 'not installed'}", _version(survey.nsys), _version(package, 3)
    if nvtx < (0, 2, 12):
        means = "ortprobe nsys records nothing: it waits for a range of ortprobe's"
        yield Check("nsys", _WARNING, found, means, "pip install 'nvtx>=0.2.12', or ortprobe nsys --whole")
    elif nsys < (2022, 4):
        means = "whether this nsys shows ranges of ortprobe's is not known"
        yield Check("nsys", _WARNING, found, means, "use a later nsys, or ortprobe nsys --whole")
    elif nsys <= (2023, 4):
        yield Check("nsys", _OK, found, "ortprobe nsys records, with ranges, and without which event a wait waits for")
    else:
        untried = "" if nsys >= (2025, 3) else " as far as is known (2023.4 and 2025.3 were tried)"
        yield Check("nsys", _OK, found, f"ortprobe nsys records, with ranges{untried}")


def _disk(survey: Survey) -> Iterator[Check]:
    folder, fix = survey.folder, "choose another folder with -o"
    found = f"{format_bytes(folder.free_bytes)} free in {folder.path}"
    if not folder.writable:
        yield Check("disk", _PROBLEM, f"{folder.path} can't be written", "a capture can't be kept here", fix)
    elif folder.free_bytes < FULL_DISK_BYTES:
        yield Check("disk", _PROBLEM, found, "a capture would be cut off", fix)
    elif folder.free_bytes < LOW_DISK_BYTES:
        yield Check("disk", _WARNING, found, "a long capture may be cut off", fix)
    else:
        yield Check("disk", _OK, found, "there is room for captures")


def _has_gpu(survey: Survey) -> bool:
    return isinstance(survey.gpus, Gpus) and bool(survey.gpus.names)


def _attached(survey: Survey) -> list[str]:
    return [tool for name, tool in _TOOLS.items() if survey.variables.get(name)]


def _loads(order: Loaded | Failed | None) -> bool:
    return isinstance(order, Loaded) and order.loaded


def _outcome(order: Loaded | Failed) -> str:
    if isinstance(order, Failed):
        return f"fails ({order.reason})"
    return "loads" if order.loaded else f"does not load ({order.error})"


def _counted(names: tuple[str, ...]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in Counter(names).items())


def _built_for(cuda: str) -> str:
    return f"built for CUDA {cuda}" if cuda else "built for the CPU"


def _version(text: str, parts: int = 2) -> tuple[int, ...]:
    """The first number with dots in a text: `2023.4.1` of `NVIDIA Nsight Systems version 2023.4.1-…` is (2023, 4)."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")[:parts]) if found else ()


_JUDGES = (
    *(_python, _platform, _packages, _onnxruntime, _distributions, _cuda_versions, _providers),
    *(_gpu, _torch, _trace, _tools, _kineto, _nsys, _disk),
)
