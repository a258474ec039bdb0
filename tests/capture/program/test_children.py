"""Child processes get bundles of their own; those that have nothing to do with onnxruntime leave nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ortprobe.bundle import CHILDREN, Bundle, Call, Lost, SessionCreated, read_bundle
from ortprobe.ingest import load_bundle

from ..conftest import TracedProgram

Trace = Callable[..., TracedProgram]

WORK = """
import os, sys, warnings
warnings.simplefilter("ignore")  # of forking with threads
def work(times):
    import numpy, onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    for _ in range(times):
        session.run(None, {"x": numpy.ones((2, 3), "float32")})
    return times
"""


def children(program: TracedProgram) -> list[Bundle]:
    folder = program.folder / CHILDREN
    return [read_bundle(child) for child in sorted(folder.iterdir())] if folder.exists() else []


def runs(bundle: Bundle) -> int:
    return sum(isinstance(record, Call) and record.what == "run" for record in bundle.records)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_are_recorded_each_on_its_own(trace_script: Trace, method: str) -> None:
    text = f"""
if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context({method!r})
    workers = [context.Process(target=work, args=(times,)) for times in (3, 4)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    print([worker.exitcode for worker in workers])
"""
    program = trace_script(WORK + text)
    assert (program.code, program.stdout) == (0, "[0, 0]\n"), program.stderr
    assert runs(program.bundle) == 0
    assert sorted(map(runs, children(program))) == [3, 4]
    for child in children(program):
        assert child.manifest.parent is not None
        assert child.manifest.ending is not None, "the child's bundle is complete"
        timeline = load_bundle(child.files.path)
        assert timeline.capture.process == int(child.files.path.name) != program.bundle.manifest.process
        assert len(timeline.runs) == runs(child)
        assert all(timeline.runs.run_span >= 0), "ORT's profile of the child's own session is there"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pool_whose_workers_are_terminated(trace_script: Trace, method: str) -> None:
    text = f"""
if __name__ == "__main__":
    import multiprocessing
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(sorted(pool.map(work, [2, 3, 4, 5])))
"""
    program = trace_script(WORK + text)
    assert (program.code, program.stdout) == (0, "[2, 3, 4, 5]\n"), program.stderr
    assert sum(map(runs, children(program))) == 14
    endings = [child.manifest.ending for child in children(program)]
    assert {ending and ending.exception for ending in endings} <= {"", "SIGTERM"}, "also of those that were killed"


def test_python_started_by_the_program_is_recorded_and_keeps_its_exit_code(trace_script: Trace, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("import program\nprogram.work(3)\nprint('worker')\nraise SystemExit(4)\n")
    (tmp_path / "bystander.py").write_text("import json, sys\nprint('bystander', sys.path[0] == sys.argv[1])\n")
    text = f"""
if __name__ == "__main__":
    import subprocess
    for script in ("worker", "bystander"):
        done = subprocess.run([sys.executable, f"{tmp_path}/{{script}}.py", {str(tmp_path)!r}], capture_output=True)
        print(done.returncode, done.stdout.decode().strip(), done.stderr.decode().strip())
"""
    program = trace_script(WORK + text)
    assert (program.code, program.stdout) == (0, "4 worker \n0 bystander True \n"), program.stderr
    (child,) = children(program)
    assert runs(child) == 3
    assert child.manifest.target.argv[0].endswith("worker.py")
    assert child.manifest.ending is not None
    assert child.manifest.ending.exit_code is None, "nobody could see it"


def test_hidden_sitecustomize_still_runs(trace_script: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys\nsys.customized = __file__\n")
    text = f"""
import os, subprocess, sys
path = os.pathsep.join([os.environ["PYTHONPATH"], {str(tmp_path / "site")!r}])
script = "import sys, sitecustomize; print(sys.customized == sitecustomize.__file__)"
print(subprocess.run([sys.executable, "-c", script], env=dict(os.environ, PYTHONPATH=path), capture_output=True).stdout)
"""
    assert trace_script(text).stdout == "b'True\\n'\n"


def test_session_inherited_by_fork_is_known_and_its_profile_stays_the_parents(trace_script: Trace) -> None:
    text = """
import numpy, onnxruntime, gc
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
feeds = {"x": numpy.ones((2, 3), "float32")}
session.run(None, feeds)
if os.fork() == 0:
    session.run(None, feeds)
    session.run(None, feeds)
    del session
    gc.collect()
    sys.exit(5)
print(os.waitstatus_to_exitcode(os.wait()[1]))
session.run(None, feeds)
"""
    program = trace_script(WORK + text)
    assert (program.code, program.stdout) == (0, "5\n"), program.stderr
    (child,) = children(program)
    assert runs(child) == 2
    assert [record.model_path for record in child.records if isinstance(record, SessionCreated)] == [
        record.model_path for record in program.bundle.records if isinstance(record, SessionCreated)
    ]
    timeline = load_bundle(program.folder)
    assert len(timeline.runs) == 2
    assert (timeline.runs.run_span >= 0).all()
    assert program.stderr.count("recorded") == 1


def test_child_without_onnxruntime_leaves_nothing(trace_script: Trace) -> None:
    text = """
import subprocess
if os.fork() == 0:
    os._exit(0)
os.wait()
subprocess.run([sys.executable, "-c", "print('nothing to do with it')"])
work(1)
"""
    program = trace_script(WORK + text)
    assert program.code == 0
    assert not (program.folder / CHILDREN).exists()


def test_child_forked_from_inside_a_window_leaves_nothing_and_the_window_goes_on(trace_script: Trace) -> None:
    text = """
import torch
work(3)
child = os.fork()
if child == 0:
    torch.ones(2).add_(1).clone()
    os._exit(0)
os.wait()
work(3)
"""
    program = trace_script(WORK + text)
    assert program.code == 0, program.stderr
    assert not (program.folder / CHILDREN).exists()
    assert (program.folder / "torch-0.json").stat().st_size > 0
    assert not [record for record in program.bundle.records if isinstance(record, Lost)]


def test_environment_is_the_programs_own_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import ortprobe

    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    before = dict(os.environ)
    with ortprobe.trace(tmp_path, torch_profiler=False):
        assert os.environ["PYTHONPATH"].endswith("/somewhere")
    assert dict(os.environ) == before
