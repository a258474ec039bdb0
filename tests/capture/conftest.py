"""Small models and traced programs for the tests of the capture."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import onnx
import pytest
from commands import ROOT
from onnx import TensorProto, helper

from ortprobe.bundle import Bundle, Call, read_bundle

RUN = """
import os, signal, sys, threading, time, traceback
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
feeds = {"x": np.array([[1, -2, 3], [4, 5, -6]], np.float32)}
for _ in range(5):
    outputs = session.run(None, feeds)
"""
"""A program that runs a session on the CPU five times."""


@pytest.fixture(scope="session", autouse=True)
def _signals_end_programs() -> Iterator[None]:
    """Programs inherit what is ignored here: SIGHUP under `nohup`, SIGINT in the background of a script."""
    ignored = [each for each in (signal.SIGHUP, signal.SIGINT) if signal.getsignal(each) is signal.SIG_IGN]
    for each in ignored:
        signal.signal(each, signal.SIG_DFL)
    yield
    for each in ignored:
        signal.signal(each, signal.SIG_IGN)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`y = relu(x + x)`, `z = -x` on `x` of 2×3 floats."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "x"], ["sum"], "/add"),
            helper.make_node("Relu", ["sum"], ["y"], "/relu"),
            helper.make_node("Neg", ["x"], ["z"], "/neg"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 3)) for name in ("y", "z")],
    )
    return _saved(graph, tmp_path_factory.mktemp("model") / "small.onnx")


@pytest.fixture(scope="session")
def free_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`y = relu(x)` on `x` of `N`×3 floats."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], "/relu")],
        "free",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 3))],
    )
    return _saved(graph, tmp_path_factory.mktemp("free") / "free.onnx")


class TracedProgram:
    """A script that ran under `ortprobe trace --no-report`, and the bundle it left."""

    def __init__(self, process: subprocess.CompletedProcess[str], folder: Path) -> None:
        self.code = process.returncode
        self.stdout, self.stderr = process.stdout, process.stderr
        self.folder = folder

    @property
    def bundle(self) -> Bundle:
        return read_bundle(self.folder)


Trace = Callable[..., TracedProgram]


@pytest.fixture
def trace_script(tmp_path: Path, model: Path) -> Trace:
    """Write a script, in which MODEL is the model's path, and trace it in a process of its own."""

    def trace(text: str, *options: str) -> TracedProgram:
        script = tmp_path / "program.py"
        script.write_text(f"MODEL = {str(model)!r}\n{text}")
        command = [sys.executable, "-m", "ortprobe", "trace", "--no-report", "-o", str(tmp_path / "out"), *options]
        process = subprocess.run(
            [*command, str(script), "word"], capture_output=True, text=True, timeout=60, check=False
        )
        return TracedProgram(process, tmp_path / "out" / "program.ortprobe")

    return trace


class Pair(NamedTuple):
    """The same program by itself and traced."""

    bare: subprocess.CompletedProcess[str]
    traced: TracedProgram

    def check(self) -> None:
        seen = self.traced.code, self.traced.stdout, shown(self.traced.stderr)
        assert seen == (self.bare.returncode, self.bare.stdout, shown(self.bare.stderr))


Both = Callable[..., Pair]


def shown(stderr: str) -> str:
    """Without ortprobe's lines and torch's, and without the addresses of objects."""
    lines = (line for line in stderr.splitlines() if not line.startswith(("ortprobe: ", "USDT:")))
    return re.sub(r"0x[0-9a-f]{6,}", "0x", "\n".join(lines))


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No torch in programs, and Python's own buffering."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "torch.py").write_text("raise ImportError('kept away')")
    search = [str(tmp_path / "without"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def both(trace_script: Trace, tmp_path: Path, quick: None) -> Both:
    """Run a program under the tracer and by itself."""

    def run(text: str) -> Pair:
        traced = trace_script(text)
        command = [sys.executable, str(tmp_path / "program.py"), "word"]
        return Pair(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False), traced)

    return run


def run_count(program: TracedProgram) -> int:
    """How many runs the capture recorded."""
    return sum(isinstance(record, Call) and record.what == "run" for record in program.bundle.records)


def send(name: str) -> str:
    """A line of a program that sends itself a signal."""
    return f"os.kill(os.getpid(), signal.{name})"


def send_later(name: str) -> str:
    """The same from another thread, while the program does something else."""
    return f"threading.Timer(0.3, os.kill, (os.getpid(), signal.{name})).start()\n"


def _saved(graph: onnx.GraphProto, path: Path) -> Path:
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path
