"""A traced program ends as it would without the tracer, and leaves a bundle however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import ENVIRONMENT

from ortprobe.bundle import Call, SessionCreated, Window
from ortprobe.capture.program.program import load_script
from ortprobe.errors import UsageError
from tests.capture.conftest import TracedProgram

Trace = Callable[..., TracedProgram]

RUN = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
feeds = {"x": np.array([[1, -2, 3], [4, 5, -6]], np.float32)}
for _ in range(5):
    outputs = session.run(None, feeds)
"""


def runs(program: TracedProgram) -> list[Call]:
    return [record for record in program.bundle.records if isinstance(record, Call) and record.what == "run"]


def test_exception_keeps_its_exit_code_and_its_traceback(trace_script: Trace) -> None:
    program = trace_script("import torch\n" + RUN + "def fail():\n    raise ValueError('from the program')\nfail()\n")
    assert program.code == 1
    assert "ValueError: from the program" in program.stderr
    assert "in fail" in program.stderr
    assert "ortprobe/" not in program.stderr.partition("Traceback")[2]
    ending = program.bundle.manifest.ending
    assert ending is not None
    assert (ending.exit_code, ending.exception) == (1, "ValueError: from the program")
    assert len(runs(program)) == 5
    assert (program.folder / "ort-0.json").stat().st_size > 0
    assert (program.folder / "torch-0.json").stat().st_size > 0
    assert [record.file for record in program.bundle.records if isinstance(record, Window)] == ["torch-0.json"]


@pytest.mark.parametrize(
    ("last_line", "code", "recorded"),
    [
        ("sys.exit(3)", 3, 3),
        ("sys.exit('a message')", 1, 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, 143),
    ],
)
def test_exit_code_is_the_programs_own(trace_script: Trace, last_line: str, code: int, recorded: int) -> None:
    program = trace_script(RUN + last_line, "--nvtx-only")
    assert program.code == code
    ending = program.bundle.manifest.ending
    assert ending is not None
    assert ending.exit_code == recorded
    assert len(runs(program)) == 5
    assert ("a message" in program.stderr) == ("a message" in last_line)


def test_killed_program_leaves_what_it_did_so_far(trace_script: Trace) -> None:
    program = trace_script(RUN + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert program.code == -9
    assert program.bundle.manifest.ending is None
    assert len(runs(program)) == 5


def test_program_sees_what_python_would_give_it(trace_script: Trace, tmp_path: Path) -> None:
    text = "\nimport sys, __main__\nprint(__name__, __file__, sys.argv, sys.path[0], __main__.MODEL == MODEL)\n"
    program = trace_script(text, "--nvtx-only")
    script = str(tmp_path / "program.py")
    bare = subprocess.run([sys.executable, script, "word"], capture_output=True, text=True, check=True)
    assert program.stdout == bare.stdout


def test_outputs_are_the_same_bits_with_and_without_tracing(trace_script: Trace, tmp_path: Path) -> None:
    program = trace_script(RUN + "print([output.tobytes().hex() for output in outputs])")
    script = str(tmp_path / "program.py")
    bare = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert program.stdout == bare.stdout


def test_calls_name_the_programs_own_lines(trace_script: Trace, tmp_path: Path) -> None:
    program = trace_script(RUN, "--nvtx-only")
    lines = (tmp_path / "program.py").read_text().splitlines()
    run_line = 1 + next(index for index, line in enumerate(lines) if "session.run" in line)
    assert {call.site for call in runs(program)} == {f"{tmp_path / 'program.py'}:{run_line}"}
    (created,) = (record for record in program.bundle.records if isinstance(record, SessionCreated))
    assert created.site == f"{tmp_path / 'program.py'}:{run_line - 3}"


def test_runs_of_threads_are_recorded(trace_script: Trace) -> None:
    text = """
import threading
worker = threading.Thread(target=session.run, args=(None, feeds), name="worker")
worker.start()
"""
    program = trace_script(RUN + text, "--nvtx-only")
    assert program.code == 0
    assert len(runs(program)) == 6
    assert len({call.thread for call in runs(program)}) == 2


def test_module_is_run_as_python_runs_it(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("import sys\nprint(__name__, __package__, __file__, sys.argv)\n")
    command = [sys.executable, "-m", "ortprobe", "trace", "--no-report", "--nvtx-only", "-m", "package", "a", "--b"]
    traced = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, check=False)
    bare = subprocess.run(
        [sys.executable, "-m", "package", "a", "--b"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert traced.stdout == bare.stdout
    assert (tmp_path / "reports" / "package" / "package.ortprobe" / "manifest.json").is_file()


def test_main_module_looks_as_python_makes_it(trace_script: Trace, tmp_path: Path) -> None:
    program = trace_script("print(__file__, __builtins__.__name__, __loader__.path)\ndef here(): pass\n"
                           "print(here.__code__.co_filename)", "--nvtx-only")  # fmt: skip
    file = str(tmp_path / "program.py")
    assert program.stdout.split() == [file, "builtins", file, file]


def test_relative_script_and_output_survive_a_change_of_directory(tmp_path: Path, model: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    text = f"MODEL = {str(model)!r}\nimport os\nos.chdir({str(elsewhere)!r})\nprint(__file__)\n{RUN}"
    (tmp_path / "program.py").write_text(text)
    command = [sys.executable, "-m", "ortprobe", "trace", "--nvtx-only", "-o", "out", "program.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/program.py\n"), done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "program.ortprobe",
        "program.html",
        "findings.json",
    }
    recorded = runs(TracedProgram(subprocess.CompletedProcess([], 0), tmp_path / "out" / "program.ortprobe"))
    assert {call.site.rpartition(":")[0] for call in recorded} == {str(tmp_path / "program.py")}
    assert not list(elsewhere.iterdir())


def test_folder_without_a_main_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(UsageError, match=r"model\.onnx: has no __main__\.py"):
        load_script(tmp_path / "model.onnx", ())


def test_script_whose_path_is_not_utf8_is_recorded(tmp_path: Path, model: Path) -> None:
    script = os.fsencode(tmp_path) + b"/caf\xe9.py"
    with open(script, "w") as file:
        file.write(f"MODEL = {str(model)!r}\n{RUN}")
    command = [sys.executable, "-m", "ortprobe", "trace", "--nvtx-only", "--name", "cafe", "-o", "out", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    program = TracedProgram(done, tmp_path / "out" / "cafe.ortprobe")
    assert len(runs(program)) == 5
    assert runs(program)[0].site.endswith("caf?.py:9")
