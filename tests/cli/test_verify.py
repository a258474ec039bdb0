"""`ortprobe verify` from its command line: changes whose effect is planted, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from commands import ortprobe
from onnx import TensorProto, helper, numpy_helper

from ortprobe.cli.verify import command
from ortprobe.errors import OrtprobeError

QUICK = ("--repeats", 1, "--iterations", 20, "--warmup", 2)


def saved(path: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: list[int | str]) -> Path:
    graph = helper.make_graph(
        nodes,
        "planted",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    """Products of constants, which onnxruntime computes once unless optimising is off: then a run takes 100 times as
    long."""
    size, depth = 256, 16
    names = ["w", *(f"p{each}" for each in range(depth))]
    nodes = [helper.make_node("MatMul", [names[each], "w"], [names[each + 1]]) for each in range(depth)]
    nodes.append(helper.make_node("Add", ["x", names[-1]], ["y"]))
    return saved(tmp_path / "folded.onnx", nodes, {"w": np.eye(size, dtype=np.float32)}, [size, size])


@pytest.fixture
def random(tmp_path: Path) -> Path:
    """y = x plus noise that is another one in each run."""
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["noise"]),
        helper.make_node("Add", ["x", "noise"], ["y"]),
    ]
    return saved(tmp_path / "random.onnx", nodes, {}, [2, 3])


@pytest.fixture
def fused(tmp_path: Path) -> Path:
    """A convolution and a normalisation, which come out otherwise in the last bits when they are fused."""
    weight = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
    ones = np.linspace(0.5, 1.7, 8, dtype=np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"]),
    ]
    return saved(tmp_path / "fused.onnx", nodes, {"w": weight} | dict.fromkeys("sbmv", ones), ["N", 3, 16, 16])


def test_a_slow_knob_of_a_model_is_slower_and_taking_it_back_is_faster(tmp_path: Path, folded: Path) -> None:
    knob = "graph_optimization_level=disable"
    slower = ortprobe("verify", "--set", knob, *QUICK, folded, cwd=tmp_path)
    assert slower.returncode == 1, slower.stderr
    assert slower.stdout.splitlines()[1].startswith("slower by ")
    assert "outputs:    equal bit for bit" in slower.stdout
    assert "process 1 of 1" in slower.stderr
    more = ("--set", "graph_optimization_level=all", "--against", knob, "--format", "json")
    faster = ortprobe("verify", *more, *QUICK, folded, cwd=tmp_path)
    assert faster.returncode == 0, faster.stderr
    document = json.loads(faster.stdout)
    assert document["verdict"] == "faster"
    assert document["saving"]["factor"] < 0.3
    assert document["saving"]["runs"] == [20, 20]
    assert document["sides"]["A"]["settings"] == [knob]
    assert list(tmp_path.iterdir()) == [folded]


def test_outputs_that_differ_are_told_with_exit_code_1(tmp_path: Path, fused: Path) -> None:
    knob = ("--set", "graph_optimization_level=disable", "--dim", "N=2", "--format", "json")
    done = ortprobe("verify", *knob, "--rtol", 0, "--atol", 0, *QUICK, fused, cwd=tmp_path)
    document = json.loads(done.stdout)
    assert (done.returncode, document["verdict"], document["outputs"]["verdict"]) == (1, "outputs-differ", "different")
    assert 0 < document["outputs"]["worst"]["greatest"] < 1e-4
    usual = json.loads(ortprobe("verify", *knob, *QUICK, fused, cwd=tmp_path).stdout)
    assert usual["outputs"]["verdict"] == "within"


def test_outputs_of_chance_can_not_be_compared(tmp_path: Path, random: Path) -> None:
    done = ortprobe("verify", "--set", "enable_mem_pattern=0", *QUICK, random, cwd=tmp_path)
    assert done.returncode == 1
    assert "but can't tell whether the outputs are the same" in done.stdout or "can't tell: " in done.stdout
    assert "they differ from run to run on one and the same side" in done.stdout


def test_ways_to_run_a_model_are_compared_from_host_to_host(tmp_path: Path, fused: Path) -> None:
    done = ortprobe("verify", "--set", "binding=off", "--dim", "N=2", "--format", "json", *QUICK, fused, cwd=tmp_path)
    assert json.loads(done.stdout)["outputs"]["verdict"] == "bitwise"


PROGRAM = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
if session.get_session_options().intra_op_num_threads == 7:
    raise ValueError("seven")
for run in range(15):
    session.run(None, {"x": np.ones((256, 256), np.float32)})
print("not to be seen")
"""


def test_a_slow_knob_of_a_program_is_slower(tmp_path: Path, folded: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    words = ("--set", "graph_optimization_level=disable", "--repeats", 1, "--format", "json", "program.py", folded)
    done = ortprobe("verify", *words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"] == "slower"
    assert document["outputs"]["verdict"] == "bitwise"
    assert document["saving"]["runs"] == [12, 12]
    assert document["sides"]["B"]["took_ns"] > 0
    assert "not to be seen" not in done.stderr


def test_runs_of_a_module_that_return_early_are_timed_from_one_to_the_next(tmp_path: Path, folded: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    words = ("--set", "sync=off", "--repeats", 1, "--warmup", 5, "--format", "json", "-m", "program", folded)
    document = json.loads(ortprobe("verify", *words, cwd=tmp_path).stdout)
    assert document["by_pace"]
    assert document["saving"]["runs"] == [9, 9]
    assert document["outputs"]["compared"] == 5
    assert document["unpredicted"].startswith("there is no capture of side A")


def test_a_program_that_fails_with_the_change_is_told_so(tmp_path: Path, folded: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = ortprobe("verify", "--set", "intra_op_num_threads=7", "program.py", folded, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == "fails with the change: ValueError: seven"


def test_a_program_that_fails_anyway_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import onnxruntime\nraise ValueError('boom')")
    done = ortprobe("verify", "--set", "intra_op_num_threads=1", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1:] == ["ortprobe: program.py: fails without the change (ValueError: boom)"]


def test_a_change_that_nothing_takes_is_no_verdict(tmp_path: Path, folded: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = ortprobe("verify", "--set", "use_tf32=0", "--repeats", 1, "program.py", folded, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == (
        "can't tell: nothing took the change: a session was made that does not name CUDAExecutionProvider"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fused.onnx"], "nothing to try: give the change with --set KEY=VALUE"),
        (["--set", "use_tf32=0"], "nothing to try it on"),
        (["--set", "use_tf3=0", "fused.onnx"], "--set use_tf3: there is no such knob; the nearest are use_tf32"),
        (["--set", "use_tf32=0", "--against", "x=1", "fused.onnx"], "--against x: there is no such knob"),
        (["--set", "use_tf32=2", "fused.onnx"], "--set use_tf32=2: choose 0 or 1"),
        (["--set", "stream=user", "fused.onnx"], "is what it is compared with"),
        (
            ["--set", "use_tf32=0", "--against", "use_tf32=0", "--dim", "N=1", "fused.onnx"],
            "is what it is compared with",
        ),
        (["--set", "sync=off", "--set", "stream=own", "fused.onnx"], "sync=off: needs stream=user"),
        (["--set", "graph=on", "--set", "binding=off", "fused.onnx"], "graph=on: needs binding=on"),
        (["--set", "use_tf32=0", "fused.onnx"], "how large is dimension 'N'"),
        (["--set", "use_tf32=0", "--dim", "N=1", "fused.onnx", "word"], "a model takes no arguments"),
        (["--set", "use_tf32=0", "missing.onnx"], "missing.onnx: can't be read"),
        (["--set", "use_tf32=0", "missing.py"], "missing.py: no such file"),
        (["--set", "use_tf32=0", "-m", "no.such.module"], "-m no.such.module:"),
        (["--set", "use_tf32=0", "--iterations", "5", "fine.py"], "--iterations: is for models"),
        (["--set", "binding=off", "fine.py"], "a program has its own way"),
        (["--repeats", "0", "fine.py"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path, fused: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    (tmp_path / "fine.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises((OrtprobeError, click.ClickException)) as refused:
        command.main(words, standalone_mode=False)
    text = refused.value.format_message() if isinstance(refused.value, click.ClickException) else str(refused.value)
    assert message in text
    assert "\n" not in text
    assert refused.value.exit_code == 2


def test_a_model_that_needs_cuda_for_it_says_so(tmp_path: Path, fused: Path) -> None:
    done = ortprobe("verify", "--set", "use_tf32=0", "--provider", "cpu", "--dim", "N=1", fused, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == ("ortprobe: use_tf32=0: needs a session on CUDA: the provider is to be cpu")
