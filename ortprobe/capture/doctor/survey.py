"""What is installed, set and possible here: gathered, not judged. This process imports neither torch nor ORT."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import msgspec

from ortprobe.capture.doctor.probes import Answer, Gpus, Loaded, Onnxruntime, Torch, Trace

PROBE_TIMEOUT_S = 90.0
"""For one probe. torch's profiler takes about 4 s to start for the first time, torch's import more on a cold disk."""
PACKAGES = ("numpy", "onnx", "nvtx")
VARIABLES = (
    "CUDA_INJECTION64_PATH",
    "CUDA_VISIBLE_DEVICES",
    "KINETO_CONFIG",
    "KINETO_USE_DAEMON",
    "NSYS_PROFILING_SESSION_ID",
    "NVTX_INJECTION64_PATH",
    "NV_COMPUTE_PROFILER_PERFWORKS_DIR",
    "NV_SANITIZER_INJECTION_PORT_RANGE_BEGIN",
)
_ABREAST = 3
_LONGEST_REASON = 160
_MISSING = re.compile(
    r"""with error: (\S+): cannot open shared|depends on "(\S+)" which is missing|(\S+): cannot open sh"""
)
_PREFIX = re.compile(r"^\S+ \S+ \[[A-Z]:.*?\] |^.*\[ONNXRuntimeError\] : \d+ : \w+ : ")
_CUPTI_ERROR = re.compile(r"CUPTI_ERROR_\w+ \(\d+\)")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

AnswerT = TypeVar("AnswerT", bound=Answer)


@dataclass(frozen=True, slots=True)
class Failed:
    """A probe without an answer, and why, on one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Orders:
    """One provider in the two orders of import that matter: torch lends its CUDA libraries to who comes after it."""

    alone: Loaded | Failed
    after_torch: Loaded | Failed | None = None
    """None where there is no torch to import."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the bundle would go: the nearest folder that is there already."""

    path: str
    writable: bool
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All that the checks are made from. `None` for a library that is not installed and a tool that is not there."""

    system: str
    python: str
    packages: Mapping[str, str]
    """Version by name; "" where a package is not installed."""
    distributions: tuple[str, ...] = ()
    """Installed packages that bring a module `onnxruntime`: `onnxruntime-gpu 1.31.1`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    kineto_config: str | None = None
    """What the file in KINETO_CONFIG says; None when there is none to read."""
    gpus: Gpus | Failed
    onnxruntime: Onnxruntime | Failed | None
    torch: Torch | Failed | None
    providers: Mapping[str, Orders] = field(default_factory=dict)
    trace: Trace | Failed | None = None
    nsys: str | None = None
    """What `nsys --version` prints."""
    folder: Folder


def survey(out: Path, timeout_s: float = PROBE_TIMEOUT_S) -> Survey:
    """Look at this machine as a capture into `out` would find it; takes seconds, on a cold disk up to a minute."""
    with_torch = _installed("torch")
    with ThreadPoolExecutor(_ABREAST) as pool:
        gpus = pool.submit(lambda: ask(Gpus, "gpus", timeout_s=timeout_s))
        torch = pool.submit(lambda: ask(Torch, "torch", timeout_s=timeout_s)) if with_torch else None
        trace = pool.submit(lambda: ask(Trace, "trace", timeout_s=timeout_s)) if with_torch else None
        onnxruntime = ask(Onnxruntime, "onnxruntime", timeout_s=timeout_s) if _installed("onnxruntime") else None
        torch_loads = torch is not None and isinstance(torch.result(), Torch)
        names = onnxruntime.providers if isinstance(onnxruntime, Onnxruntime) else ()
        orders = pool.map(lambda name: _try_orders(name, torch_loads, timeout_s), names)
        providers = dict(zip(names, orders, strict=True))
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return Survey(
        system=platform.system(),
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        distributions=_distributions(),
        variables=variables,
        kineto_config=_read(variables.get("KINETO_CONFIG")),
        gpus=gpus.result(),
        onnxruntime=onnxruntime,
        torch=torch.result() if torch else None,
        providers=providers,
        trace=trace.result() if trace else None,
        nsys=_nsys_version(),
        folder=_folder(out),
    )


def ask(answer: type[AnswerT], name: str, *words: str, timeout_s: float = PROBE_TIMEOUT_S) -> AnswerT | Failed:
    """Run one probe (`ortprobe.capture.doctor.probes`); its answer, or why there is none.

    A process that doesn't end when killed, as a hung driver makes them, is left behind.
    """
    command = [sys.executable, "-m", "ortprobe.capture.doctor.probes", name, *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            return Failed(f"no answer within {timeout_s:.0f} s")
        out.seek(0)
        err.seek(0)
        printed, complaint = out.read(), shortened(err.read().decode(errors="replace"))
    if code:
        signalled = f"crashed with {signal.Signals(-code).name}" if code < 0 else ""
        return Failed(": ".join(filter(None, (signalled, complaint))) or f"ended with code {code}")
    try:
        decoded = msgspec.json.decode(printed.splitlines()[-1] if printed else b"", type=answer)
    except msgspec.DecodeError:
        return Failed("ended without an answer")
    if isinstance(decoded, Loaded) and not decoded.loaded:
        return replace(decoded, error=complaint or "onnxruntime does not say why")
    if isinstance(decoded, Trace) and "CUPTI" in complaint:
        return replace(decoded, lost=(*decoded.lost, complaint))
    return decoded


def shortened(printed: str) -> str:
    """The one line of what a library printed to stderr that says what is wrong, "" when it printed nothing.

    A missing library goes first, then CUPTI's error, then the last error. Of several missing libraries onnxruntime
    names the one that the loader missed first.
    """
    lines = [_ANSI.sub("", line).strip() for line in printed.splitlines()]
    lines = [line for line in lines if line]
    found = [match for match in map(_MISSING.search, lines) if match]
    if found:
        return f"{next(filter(None, found[-1].groups()))} is missing"
    if refused := [match[0] for match in map(_CUPTI_ERROR.search, lines) if match]:
        return refused[0]
    errors = [line for line in lines if re.search(r"\[E:|Error\b", line)] or lines
    return _PREFIX.sub("", errors[-1])[:_LONGEST_REASON] if errors else ""


def _try_orders(provider: str, torch_loads: bool, timeout_s: float) -> Orders:
    alone = ask(Loaded, "provider", provider, timeout_s=timeout_s)
    return Orders(alone, ask(Loaded, "provider", provider, "torch", timeout_s=timeout_s) if torch_loads else None)


def _installed(module: str) -> bool:
    with suppress(ImportError, ValueError):
        return find_spec(module) is not None
    return False


def _version(distribution: str) -> str:
    with suppress(PackageNotFoundError):
        return version(distribution)
    return ""


def _distributions() -> tuple[str, ...]:
    names = set(packages_distributions().get("onnxruntime", ()))
    return tuple(f"{name} {_version(name)}" for name in sorted(names))


def _read(path: str | None) -> str | None:
    with suppress(OSError):
        return Path(path).read_text(errors="replace") if path else None
    return None


def _nsys_version() -> str | None:
    nsys = shutil.which("nsys")
    if nsys is None:
        return None
    try:
        done = subprocess.run([nsys, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown: {error}"
    return done.stdout.strip()


def _folder(out: Path) -> Folder:
    there = next(path for path in (out.absolute(), *out.absolute().parents) if os.path.exists(path))
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return Folder(str(there), writable, shutil.disk_usage(there).free)
