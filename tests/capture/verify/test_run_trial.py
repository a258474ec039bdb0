"""One process of a trial: a program that does not notice, and what is told however it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ortprobe.bundle import Call, SessionCreated, read_bundle
from ortprobe.bundle.trials import BUNDLE_NAME, OUTPUTS_NAME, Trial
from ortprobe.capture.verify.knobs import Setting
from ortprobe.capture.verify.parent import LOG_NAME, run_trial
from ortprobe.capture.verify.plan import TrialPlan

PROGRAM = """
import sys
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
run_options = onnxruntime.RunOptions()
feeds = {"x": np.array([[1, -2, 3], [4, 5, -6]], np.float32)}
for run in range(6):
    y, z = session.run(None, feeds, run_options)
print(options.intra_op_num_threads, sys.argv[1:], y.sum(), z.sum(), __name__)
"""
ONE_THREAD = (Setting("intra_op_num_threads", "1"),)


def tried(folder: Path, model: Path, text: str, *, settings: tuple[Setting, ...] = (), timeout_s: float = 60) -> Trial:
    script = folder / "program.py"
    script.write_text(f"MODEL = {str(model)!r}\n{text}")
    plan = TrialPlan(
        kind="script",
        path=str(script),
        argv=("a", "b"),
        sides=("B",),
        settings={"B": settings},
        warmup=2,
        folder=str(folder / "trial"),
    )
    return run_trial(plan, timeout_s)


def test_a_program_prints_what_it_prints_anyway(tmp_path: Path, model: Path) -> None:
    trial = tried(tmp_path, model, PROGRAM, settings=ONE_THREAD)
    bare = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), "a", "b"], capture_output=True, text=True, check=True
    )
    assert (tmp_path / "trial" / LOG_NAME).read_text() == bare.stdout
    assert bare.stdout.startswith("2 ['a', 'b']")
    assert (trial.exit_code, trial.problem, trial.sides["B"].changed) == (0, "", 1)


def test_sessions_are_made_with_the_change_and_runs_are_timed_alone(tmp_path: Path, model: Path) -> None:
    tried(tmp_path, model, PROGRAM, settings=ONE_THREAD)
    records = read_bundle(tmp_path / "trial" / BUNDLE_NAME).records
    (session,) = (record for record in records if isinstance(record, SessionCreated))
    assert session.session_options["intra_op_num_threads"] == "1"
    runs = [record for record in records if isinstance(record, Call) and record.what == "run"]
    assert [run.attached for run in runs] == [0] * 6


def test_without_a_change_nothing_is_changed(tmp_path: Path, model: Path) -> None:
    trial = tried(tmp_path, model, PROGRAM)
    records = read_bundle(tmp_path / "trial" / BUNDLE_NAME).records
    (session,) = (record for record in records if isinstance(record, SessionCreated))
    assert session.session_options["intra_op_num_threads"] == "2"
    assert trial.sides["B"].changed == 0


def test_outputs_of_the_first_runs_are_kept(tmp_path: Path, model: Path) -> None:
    kept = tried(tmp_path, model, PROGRAM).sides["B"].outputs
    assert [(each.call, each.name) for each in kept] == [("0:0", "y"), ("0:0", "z"), ("0:1", "y"), ("0:1", "z")]
    with np.load(tmp_path / "trial" / OUTPUTS_NAME) as arrays:
        assert arrays[kept[0].key].tolist() == [[2, 0, 6], [8, 10, 0]]
        assert arrays[kept[3].key].tolist() == [[-1, 2, -3], [-4, -5, 6]]


@pytest.mark.parametrize("how", ["binding", "values"])
def test_outputs_of_other_ways_to_run_are_kept(tmp_path: Path, model: Path, how: str) -> None:
    ways = {
        "binding": "b = session.io_binding(); b.bind_cpu_input('x', x); b.bind_output('z')\n"
        "session.run_with_iobinding(b)",
        "values": "session.run_with_ort_values(['z'], {'x': onnxruntime.OrtValue.ortvalue_from_numpy(x)})",
    }
    text = PROGRAM.partition("run_options")[0] + f"x = np.ones((2, 3), np.float32)\n{ways[how]}\n"
    (kept,) = tried(tmp_path, model, text).sides["B"].outputs
    with np.load(tmp_path / "trial" / OUTPUTS_NAME) as arrays:
        assert (arrays[kept.key] == -1).all()


@pytest.mark.parametrize(
    ("text", "code", "problem"),
    [
        ("raise ValueError('boom')", 1, "ValueError: boom"),
        ("raise SystemExit(3)", 3, "SystemExit: 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, "ended by SIGKILL"),
        ("import os; print('bye', flush=True); os._exit(4)", 4, "bye"),
        ("import os; os._exit(0)", 0, "ended with exit code 0 before its runs could be seen"),
    ],
)
def test_however_a_program_ends_it_is_told(tmp_path: Path, model: Path, text: str, code: int, problem: str) -> None:
    trial = tried(tmp_path, model, text)
    assert (trial.exit_code, trial.problem) == (code, problem)


def test_a_program_that_does_not_end_is_ended(tmp_path: Path, model: Path) -> None:
    trial = tried(tmp_path, model, "import time; time.sleep(60)", timeout_s=1.5)
    assert trial.problem == "still running after 1.5 s (--timeout)"


def test_a_session_that_can_not_take_it_says_why(tmp_path: Path, model: Path) -> None:
    side = tried(tmp_path, model, PROGRAM, settings=(Setting("use_tf32", "0"),)).sides["B"]
    assert side.changed == 0
    assert side.unchanged == "a session was made that does not name CUDAExecutionProvider"


def test_what_onnxruntime_refuses_is_told_though_the_program_goes_on(tmp_path: Path, model: Path) -> None:
    text = PROGRAM.replace('["CPUExecutionProvider"]', '["CPUExecutionProvider"], enable_fallback=0')
    text = text.replace("session = ", "session = None\ntry: session = ").partition("run_options")[0]
    text += "except Exception: print('refused')"
    settings = (Setting("session.intra_op_thread_affinities", "nonsense"), Setting("intra_op_num_threads", "2"))
    trial = tried(tmp_path, model, text, settings=settings)
    assert trial.exit_code == 0
    assert "Processor id must consist of only digits" in trial.sides["B"].refused
