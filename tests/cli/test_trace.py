"""`ortprobe trace` from its command line: what it leaves, what it refuses, and with which exit code."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import termios
from collections import Counter
from contextlib import suppress
from pathlib import Path

import onnx
import pytest
from captures import DATA
from commands import ENVIRONMENT, ortprobe, run_python
from onnx import TensorProto, helper

from ortprobe.bundle import Call, read_bundle


@pytest.fixture
def model(tmp_path: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], "/relu")],
        "free",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 3))],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_model_leaves_a_bundle_with_runs_by_what_was_attached(tmp_path: Path, model: Path) -> None:
    done = ortprobe("trace", "--no-report", "--dim", "N=2", "--active", 4, "--torch-runs", 3, model, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    folder = tmp_path / "reports" / "model" / "model.ortprobe"
    assert {"ort-0.json", "manifest.json", "hooks.jsonl"} == {path.name for path in folder.iterdir()}
    calls = [record for record in read_bundle(folder).records if isinstance(record, Call)]
    attached = Counter(call.attached for call in calls if call.what == "run_with_iobinding")
    assert attached == {1: 4, 0: 53}  # torch is not imported for a session on the CPU
    assert "no CUDA GPU: running on the CPU" in done.stderr
    assert "reports/model/model.ortprobe" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bad.onnx"], "bad.onnx: is not an ONNX model"),
        (["missing.onnx"], "missing.onnx: can't be read (No such file or directory)"),
        (["missing.py"], "missing.py: no such file"),
        (["model.onnx"], "how large is dimension 'N' of input 'x' (N, 3)? Add --dim N=SIZE"),
        (["--dim", "N=2", "model.onnx", "word"], "a model takes no arguments"),
        (["--example", "nothing"], "--example nothing: there is no such example; there are missing-wait"),
        (["-m", "no.such.module"], "-m no.such.module:"),
        (["broken.py"], "broken.py: is neither a model (.onnx) nor a Python program (SyntaxError"),
        (["-o", "model.onnx/out", "fine.py"], "can't be created"),
        (["-o", "model.onnx/out", "--dim", "N=2", "model.onnx"], "can't be created"),
        (["--name", "../out", "fine.py"], "--name ../out: can't be the name of a file"),
        (["--name", "x" * 300, "fine.py"], "can't be the name of a file"),
        (["--dim", "N=2", "--shape", "x=2,4", "model.onnx"], "the model's own shape of this input is (N, 3)"),
        (["--no-such-option", "fine.py"], "ortprobe: No such option"),
        (["-m"], "ortprobe: Option '-m' requires an argument"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, model: Path, words: list[str], message: str
) -> None:
    (tmp_path / "bad.onnx").write_text("{")
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "fine.py").write_text("print('the program ran')")
    before = sorted(tmp_path.rglob("*"))
    done = ortprobe("trace", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


CONCLUDE = """
from pathlib import Path
from ortprobe.cli.outputs import Choices, Outputs, conclude
outputs = Outputs.of(Path("."), "healthy")
conclude(outputs, outputs.absolute(), Choices(no_report=False, force=False, open_report=False), 0)
"""


def said_in_a_terminal(folder: Path, rows: int, columns: int) -> str:
    """What is said on stderr once a program has been traced, where that is a terminal of this size."""
    shutil.copytree(DATA / "h100-examples" / "healthy.ortprobe", folder / "healthy.ortprobe")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (rows, columns))
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-c", CONCLUDE]
    process = subprocess.Popen(
        command, cwd=folder, env={**environment, "TERM": "xterm"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
        while part := terminal.read(4096):
            said += part
    assert process.wait(timeout=60) == 0
    return said.decode().replace("\r\n", "\n")


def test_a_terminal_that_holds_it_gets_the_report_on_one_screen(tmp_path: Path) -> None:
    lines = said_in_a_terminal(tmp_path, rows=45, columns=100).splitlines()
    assert len(lines) <= 45
    assert any(line.startswith("\x1b[1mRuns") for line in lines)
    assert lines[-2].startswith("ortprobe: report healthy.html (")
    assert lines[-1].endswith("or ortprobe report healthy.ortprobe --format details")


@pytest.mark.parametrize(("rows", "columns"), [(24, 100), (60, 60)])
def test_a_terminal_that_is_too_small_gets_the_verdict(tmp_path: Path, rows: int, columns: int) -> None:
    said = said_in_a_terminal(tmp_path, rows, columns)
    assert "ortprobe: nothing wrong found by the" in said
    assert "Runs" not in said
    assert said.splitlines()[-1].endswith("or ortprobe report healthy.ortprobe --format text")


def test_model_without_onnxruntime_is_one_line_and_leaves_nothing(tmp_path: Path, model: Path) -> None:
    script = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "sys.argv = ['ortprobe', 'trace', '--dim', 'N=2', 'model.onnx']\n"
        "from ortprobe.cli import main; main()"
    )
    done = run_python("-c", script, cwd=tmp_path)
    assert done.returncode == 2
    _, message = done.stderr.splitlines()
    assert message.startswith("ortprobe: onnxruntime can't be imported (ModuleNotFoundError: ")
    assert message.endswith("); install onnxruntime-gpu, or onnxruntime for the CPU")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("existing", ["fine.ortprobe", "fine.html", "findings.json"])
def test_existing_outputs_are_refused_before_the_program_runs(tmp_path: Path, existing: str) -> None:
    (tmp_path / "fine.py").write_text("print('the program ran')")
    out = tmp_path / "out"
    out.mkdir()
    (out / existing).write_text("precious")
    done = ortprobe("trace", "-o", "out", "fine.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{existing}: already there" in done.stderr
    assert (out / existing).read_text() == "precious"


def test_force_replaces_a_bundle_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text("print('the program ran')")
    for _ in range(2):
        done = ortprobe("trace", "--no-report", "--nvtx-only", "--force", "fine.py", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "the program ran\n")
    folder = tmp_path / "reports" / "fine" / "fine.ortprobe"
    (folder / "manifest.json").unlink()
    done = ortprobe("trace", "--no-report", "--nvtx-only", "--force", "fine.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no ortprobe bundle" in done.stderr


def test_words_behind_the_target_are_the_targets(tmp_path: Path) -> None:
    (tmp_path / "args.py").write_text("import sys; print(sys.argv[1:])")
    done = ortprobe(
        "trace", "--no-report", "--nvtx-only", "--", "args.py", "--name", "x", "-o", "--", "y", cwd=tmp_path
    )
    assert done.stdout == "['--name', 'x', '-o', '--', 'y']\n"


def test_options_behind_a_module_are_the_modules(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text("import sys; print(sys.argv[1:])")
    done = ortprobe(
        "trace", "--no-report", "--name", "x", "--nvtx-only", "-m", "mod", "--force", "-m", "z", cwd=tmp_path
    )
    assert done.stdout == "['--force', '-m', 'z']\n", done.stderr
    assert (tmp_path / "reports" / "x" / "x.ortprobe").is_dir()


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = """
import sys
from ortprobe.cli import main
sys.argv = ["ortprobe", "--help"]
try:
    main()
except SystemExit as end:
    print(end.code, {"torch", "onnxruntime", "numpy", "pandas", "plotly"} & set(sys.modules))
"""
    done = run_python("-c", code, cwd=tmp_path)
    assert "trace" in done.stdout
    assert done.stdout.endswith("0 set()\n")


def test_model_that_onnxruntime_refuses_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Nonsense", ["x"], ["y"], domain="nowhere")],
        "refused",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2,))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2,))],
    )
    onnx.save(helper.make_model(graph, ir_version=8), str(tmp_path / "refused.onnx"))
    done = ortprobe("trace", "--nvtx-only", "-o", "out/deep", "refused.onnx", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("ortprobe: refused.onnx: onnxruntime can't run it (")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["refused.onnx"]
