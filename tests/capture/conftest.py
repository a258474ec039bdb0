"""Small models and traced programs for the tests of the capture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from ortprobe.bundle import Bundle, read_bundle


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


@pytest.fixture
def trace_script(tmp_path: Path, model: Path) -> Callable[..., TracedProgram]:
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


def _saved(graph: onnx.GraphProto, path: Path) -> Path:
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path
