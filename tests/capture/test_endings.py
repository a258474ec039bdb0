"""Whatever a program dies of, it dies as it does without the tracer, and what it shows on its way is the same text.

Each case is run twice, by `python` and by `ortprobe trace`, and compared: stdout, stderr and the status its parent
sees. Torch is kept from being imported where a case has nothing to do with it, which takes half of a second instead of
two.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import ROOT, ortprobe, run_python
from onnx import TensorProto, helper, save_model

from ortprobe.bundle import Call, Lost, Window, read_bundle
from tests.capture.conftest import TracedProgram

Trace = Callable[..., TracedProgram]

RUN = """
import os, signal, sys, threading, time, traceback
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
feeds = {"x": np.array([[1, -2, 3], [4, 5, -6]], np.float32)}
for _ in range(5):
    outputs = session.run(None, feeds)
"""
NOISY = """
import atexit
atexit.register(print, "exit function", flush=True)
print("flushed", flush=True)
print("in the buffer")
try:
    {}
    time.sleep(20)
finally:
    print("finally", flush=True)
"""


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
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "without"), str(ROOT)]))
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
    return sum(isinstance(record, Call) and record.what == "run" for record in program.bundle.records)


def send(name: str) -> str:
    return f"os.kill(os.getpid(), signal.{name})"


def send_later(name: str) -> str:
    return f"threading.Timer(0.3, os.kill, (os.getpid(), signal.{name})).start()\n"


COMPLETE = {
    "normal end": ("print('end')", 0, 0),
    "uncaught exception": ("def fail(): raise ValueError('from the program')\nfail()", 1, 1),
    "sys.exit(n)": ("sys.exit(3)", 3, 3),
    "sys.exit(text)": ("sys.exit('text')", 1, 1),
    "SystemExit(None)": ("raise SystemExit(None)", 0, 0),
    "exit in the excepthook": ("sys.excepthook = lambda *_: sys.exit(5)\n1 / 0", 5, 5),
    "failure in the excepthook": ("def hook(*_): raise KeyError('in the hook')\nsys.excepthook = hook\n1 / 0", 1, 1),
    "recursion": ("print(sys.getrecursionlimit())\ndef down(): return down()\ndown()", 1, 1),
    "own recursion limit": ("sys.setrecursionlimit(300)\ndef down(n): print(n); down(n + 1)\ndown(0)", 1, 1),
    "no memory": ("bytearray(1 << 60)", 1, 1),
    "streams closed": ("sys.stdout.close(); sys.stderr.close()", 0, 0),
    "stderr of its own": ("import atexit\nown = os.memfd_create('log')\nos.dup2(own, 2)\n"
                          "atexit.register(lambda: os.fstat(own).st_size and os._exit(9))", 0, 0),
    "other directory": ("os.chdir('/')\n1 / 0", 1, 1),
    "SIGINT": (NOISY.format(send("SIGINT")), -2, 130),
    "SIGINT with its default": ("signal.signal(signal.SIGINT, signal.SIG_DFL)\n" + NOISY.format(send("SIGINT")),
                                -2, 130),
    "SIGTERM": (NOISY.format(send("SIGTERM")), -15, 143),
    "SIGHUP": (NOISY.format(send("SIGHUP")), -1, 129),
    "SIGTERM in a join": (send_later("SIGTERM") + "t = threading.Thread(target=time.sleep, args=(2,), daemon=True)\n"
                          "t.start(); t.join()", -15, 143),
    "SIGTERM in a queue": (send_later("SIGTERM") + "import queue\nqueue.Queue().get()", -15, 143),
    "SIGTERM while threads end": (send_later("SIGTERM") + "threading.Thread(target=time.sleep, args=(2,)).start()",
                                  -15, 143),
    "SIGTERM with a handler": ("def leave(number, _): sys.exit(9)\n"
                               "print(signal.signal(signal.SIGTERM, leave), signal.getsignal(15) is leave)\n"
                               + NOISY.format(send("SIGTERM")), 9, 9),
    "SIGINT in asyncio": ("import asyncio\nasync def main():\n"
                          "    asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)\n"
                          "    try: await asyncio.sleep(9)\n"
                          "    finally: print('cancelled')\n"
                          "asyncio.run(main())", -2, 130),
    "executor left open": ("from concurrent.futures import ThreadPoolExecutor\n"
                           "print(ThreadPoolExecutor(1).submit(len, 'four').result())", 0, 0),
    "exception in a thread": ("def fail(): raise ValueError('in a thread')\n"
                              "t = threading.Thread(target=fail)\nt.start(); t.join()", 0, 0),
    "modules of ours deleted": ("for name in [*sys.modules]:\n    if 'ortprobe' in name: del sys.modules[name]\n"
                                "onnxruntime.InferenceSession(MODEL).get_inputs()", 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("death", COMPLETE)
def test_death_is_the_same_and_the_bundle_complete(both: Both, death: str) -> None:
    last_lines, code, recorded = COMPLETE[death]
    pair = both(RUN + last_lines)
    assert pair.bare.returncode == code, pair.bare.stderr
    pair.check()
    ending = pair.traced.bundle.manifest.ending
    assert ending is not None
    assert ending.exit_code == recorded
    assert run_count(pair.traced) == 5
    assert (pair.traced.folder / "ort-0.json").stat().st_size > 0


@pytest.mark.parametrize(
    ("last_line", "code"),
    [
        ("os._exit(7)", 7),
        (send("SIGKILL"), -9),
        (send("SIGUSR1"), -10),
        ("import ctypes; ctypes.string_at(0)", -11),
        ("os.abort()", -6),
    ],
)
def test_sudden_death_leaves_what_was_done_and_a_report_that_says_so(
    both: Both, tmp_path: Path, last_line: str, code: int
) -> None:
    pair = both(RUN + last_line)
    assert pair.bare.returncode == code
    pair.check()
    assert pair.traced.bundle.manifest.ending is None
    assert run_count(pair.traced) == 5
    report = ortprobe("report", pair.traced.folder, "--format", "text", cwd=tmp_path)
    text = " ".join(report.stdout.split())
    assert report.returncode == 0, report.stderr
    assert text.startswith("the program ended at once (killed, crashed, or by os._exit); before that, ")
    assert "the traces still open were never written" in text
    assert "session 0: its ONNX Runtime profile was never written" in text


def test_thread_that_outlives_the_main_one_is_waited_for_and_recorded(both: Both) -> None:
    work = "def work():\n    time.sleep(0.3)\n    session.run(None, feeds)\n    print('late')\n"
    pair = both(RUN + work + "threading.Thread(target=work).start()\nsys.exit(4)")
    pair.check()
    assert (pair.traced.code, run_count(pair.traced)) == (4, 6)


def test_daemon_thread_in_a_run_does_not_keep_the_bundle_from_completing(both: Both) -> None:
    """How the process then ends is left open: onnxruntime may abort under the thread, traced or not."""
    work = "def work():\n    while True: session.run(None, feeds)\n"
    last = "threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.3)\n"
    pair = both(RUN + work + last + "print('end', flush=True)")
    assert pair.traced.stdout == pair.bare.stdout
    assert pair.traced.bundle.manifest.ending is not None
    assert run_count(pair.traced) > 5


def test_interrupted_wait_for_threads_ends_the_program_without_error(both: Both) -> None:
    pair = both(RUN + send_later("SIGINT") + "threading.Thread(target=time.sleep, args=(0.8,)).start()\n")
    assert (pair.traced.code, pair.traced.stdout) == (pair.bare.returncode, pair.bare.stdout) == (0, "")
    first = "Exception ignored in: <module 'threading'"
    assert pair.bare.stderr.startswith(first)
    assert shown(pair.traced.stderr).startswith(first)
    assert "KeyboardInterrupt" in pair.traced.stderr


SHOWN = {
    "caught, printed and logged": """
import logging
def call(): session.run(None, {})
try: call()
except Exception: print(traceback.format_exc()); logging.exception("failed")
""",
    "cause, context and group": """
try:
    try: session.run(["nothing"], feeds)
    except Exception as error: raise ValueError("wrapped") from error
except ValueError as error:
    first = error
try:
    try: onnxruntime.InferenceSession(MODEL, providers=["Nothing"]).run(["nothing"], feeds)
    except Exception: session.io_binding().bind_cpu_input("x", None)
except Exception as error:
    raise ExceptionGroup("both", [first, error])
""",
    "threads, with a hook of the program": """
def fail(): session.run(None, {})
for hook in (threading.excepthook, lambda args: threading.__excepthook__(args)):
    threading.excepthook = hook
    thread = threading.Thread(target=fail); thread.start(); thread.join()
""",
    "a hook of the program": """
standard = sys.__excepthook__
print(sys.excepthook is standard)
def hook(kind, error, entries):
    print("mine", kind, len(traceback.extract_tb(entries)))
    standard(kind, error, entries)
sys.excepthook = hook
session.run(None, {})
""",
    "unraisable": """
class Closing:
    def __del__(self): session.run(None, {})
closing = Closing()
del closing
""",
    "stacks": """
def here():
    traceback.print_stack()
    print(traceback.format_stack(), traceback.extract_stack(limit=2))
    print(traceback.StackSummary.extract(traceback.walk_stack(None)))
here()
class Feeds(dict):
    def keys(self): here(); return super().keys()
session.run(None, Feeds(feeds))
""",
    "warnings and log records with a stack level": """
import logging, warnings
logging.basicConfig(format="%(filename)s:%(lineno)d %(message)s")
class Feeds(dict):
    def keys(self):
        warnings.warn("from within a run", stacklevel=3)
        logging.warning("from within a run", stacklevel=3)
        return super().keys()
session.run(None, Feeds(feeds))
""",
}


@pytest.mark.parametrize("what", SHOWN)
def test_stacks_and_tracebacks_read_as_without_the_tracer(both: Both, what: str) -> None:
    pair = both(RUN + SHOWN[what])
    assert pair.bare.stdout + pair.bare.stderr
    pair.check()


@pytest.mark.parametrize("how", ["module", "folder"])
def test_modules_fail_with_the_frames_that_python_gives_them(tmp_path: Path, quick: None, how: str) -> None:
    text = "import sys, traceback\nprint(sys.path[0], sys.argv, __spec__.name)\ntraceback.print_stack()\n1 / 0\n"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "__main__.py").write_text(text)
    words = ["-m", "package"] if how == "module" else ["package"]
    traced = ortprobe("trace", "--no-report", *words, "word", cwd=tmp_path)
    bare = run_python(*words, "word", cwd=tmp_path)
    assert (traced.returncode, traced.stdout) == (bare.returncode, bare.stdout) == (1, bare.stdout)
    assert shown(traced.stderr) == shown(bare.stderr)


def test_runner_that_the_program_calls_itself_stays_in_its_tracebacks(both: Both) -> None:
    pair = both(RUN + "import ortprobe\nortprobe.Runner(session)({})")
    pair.check()
    assert "runner.py" in pair.traced.stderr


def test_program_sees_the_dispositions_it_would_have_and_children_die_of_sigterm(both: Both) -> None:
    text = """
import subprocess
numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
print([signal.getsignal(number) for number in numbers], signal.getsignal(2) is signal.default_int_handler)
child = os.fork()
if child == 0:
    time.sleep(20)
time.sleep(0.2)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.wait()[1]))
child = subprocess.Popen(["sleep", "20"])
child.terminate()
print(child.wait())
"""
    pair = both("import warnings; warnings.simplefilter('ignore')\n" + RUN + text)
    pair.check()
    assert pair.traced.stdout.splitlines()[1:] == ["-15", "-15"]
    assert pair.traced.bundle.manifest.ending is not None


def test_ignored_hangup_stays_ignored(trace_script: Trace, quick: None) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        program = trace_script(RUN + send("SIGHUP") + "\nprint(signal.getsignal(signal.SIGHUP))")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (program.code, program.stdout) == (0, "1\n")


def test_handler_that_runs_the_session_in_the_middle_of_a_run_does_not_block(both: Both) -> None:
    text = """
count = 0
def tick(*_):
    global count
    count += 1
    session.run(None, feeds)
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
while count < 1500:
    session.run(None, feeds)
signal.setitimer(signal.ITIMER_REAL, 0)
print("done")
"""
    pair = both(RUN + text)
    pair.check()
    assert pair.traced.stdout == "done\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signal_in_the_middle_of_a_trace_being_written_waits_for_it(trace_script: Trace, name: str) -> None:
    text = f"""
import torch
write = torch.profiler.profile.export_chrome_trace
def interrupted(self, path):
    {send(name)}
    sum(range(1000))
    write(self, path)
    print("written", flush=True)
torch.profiler.profile.export_chrome_trace = interrupted
for _ in range(10):
    session.run(None, feeds)
time.sleep(20)
"""
    program = trace_script(RUN + text, "--active", "4", "--torch-runs", "4")
    assert program.code == -getattr(signal, name), program.stderr
    assert program.stdout == "written\n"
    records = program.bundle.records
    assert [record.file for record in records if isinstance(record, Window)] == ["torch-0.json.gz"]
    assert not [record for record in records if isinstance(record, Lost)]
    assert "export_chrome_trace" not in program.stderr


def test_killed_program_is_reported_and_a_second_signal_ends_the_report(
    tmp_path: Path, model: Path, quick: None
) -> None:
    (tmp_path / "program.py").write_text(f"MODEL = {str(model)!r}\n{RUN}print('ready', flush=True)\ntime.sleep(20)")
    for signals in (1, 2):
        command = [sys.executable, "-m", "ortprobe", "trace", "-o", str(tmp_path / f"out{signals}"), "program.py"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, cwd=tmp_path, **pipes) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            if signals == 2:
                while "analysing" not in process.stderr.readline():
                    pass
                process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
        assert process.returncode == -signal.SIGTERM
        assert (tmp_path / f"out{signals}" / "program.html").exists() == (signals == 1)
        assert ("the program ended with exit code 143 (SIGTERM)" in said) == (signals == 1)
        assert read_bundle(tmp_path / f"out{signals}" / "program.ortprobe").manifest.ending is not None


def test_interrupted_program_is_reported_before_it_dies_of_it(tmp_path: Path, model: Path, quick: None) -> None:
    (tmp_path / "program.py").write_text(f"MODEL = {str(model)!r}\n{RUN}{send('SIGINT')}\ntime.sleep(20)")
    done = ortprobe("trace", "-o", "out", "program.py", cwd=tmp_path)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.index("\nKeyboardInterrupt\n") < done.stderr.index("ortprobe: report out/program.html")
    assert done.stderr.count("Traceback") == 1
    findings = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert "(KeyboardInterrupt)" in findings["verdict"]


def test_reader_that_leaves_ends_the_program_as_it_would(tmp_path: Path, model: Path, quick: None) -> None:
    text = f"MODEL = {str(model)!r}\n{RUN}print('first', flush=True)\nsys.stdin.read()\nprint('second', flush=True)"
    (tmp_path / "program.py").write_text(text)
    endings = []
    for words in (["program.py"], ["-m", "ortprobe", "trace", "--no-report", "program.py"]):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen([sys.executable, *words], text=True, cwd=tmp_path, **pipes) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "first\n"
            process.stdout.close()
            process.stdin.close()
            endings.append((shown(process.stderr.read()), process.wait()))
    assert "BrokenPipeError" in endings[0][0]
    assert endings[1] == endings[0]


CLOSING = {
    "at once": "os.closerange(3, 256)",
    "one by one": "for fd in range(3, 256):\n    try: os.close(fd)\n    except OSError: pass",
}


@pytest.mark.parametrize("how", CLOSING)
def test_files_that_take_the_numbers_of_closed_descriptors_stay_the_programs_own(both: Both, how: str) -> None:
    """Closed at the start, as daemons do: onnxruntime alone hangs at its end when its own files are closed under it."""
    text = """
own = [os.memfd_create(str(number)) for number in range(20)]
for _ in range(50):
    session.run(None, feeds)
del session
print({os.fstat(number).st_size for number in own})
"""
    pair = both(f"import os\n{CLOSING[how]}\n{RUN}{text}")
    pair.check()
    assert pair.traced.stdout == "{0}\n"
    assert run_count(pair.traced) == 55


def test_profile_being_recorded_is_not_written_into_a_file_of_the_program(trace_script: Trace, quick: None) -> None:
    text = """
os.closerange(3, 256)
own = [os.memfd_create(str(number)) for number in range(20)]
for _ in range(50):
    session.run(None, feeds)
del session
print({os.fstat(number).st_size for number in own}, flush=True)
os._exit(0)
"""
    program = trace_script(RUN + text)
    assert (program.code, program.stdout) == (0, "{0}\n")
    assert run_count(program) == 55
    assert (program.folder / "ort-0.json").stat().st_size > 0


def test_model_that_fails_after_a_while_is_one_line_and_keeps_the_bundle(tmp_path: Path, quick: None) -> None:
    """Its index comes from a random number with a seed: a run in four is out of bounds."""
    nodes = [
        helper.make_node("RandomUniform", [], ["chance"], shape=[1], low=0.0, high=4.0, seed=1.0),
        helper.make_node("Cast", ["chance"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["x", "index"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "chance", [value("x", TensorProto.FLOAT, (3,))], [value("y", TensorProto.FLOAT, (1,))]
    )
    opset = [helper.make_opsetid("", 17)]
    save_model(helper.make_model(graph, opset_imports=opset, ir_version=8), str(tmp_path / "chance.onnx"))
    done = ortprobe("trace", "--no-report", "--iterations", 60, "--provider", "cpu", "chance.onnx", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if "failed" in line)
    assert re.match(r"ortprobe: chance\.onnx: run \d+ of 60 failed \(.*out of.*bounds", line)
    assert "Traceback" not in done.stderr
    bundle = read_bundle(tmp_path / "reports" / "chance" / "chance.ortprobe")
    assert bundle.manifest.ending is not None
    assert bundle.manifest.ending.exception.startswith("chance.onnx: run ")
    assert any(isinstance(record, Call) and record.error for record in bundle.records)


def test_signal_is_prompt_while_the_program_waits(tmp_path: Path, model: Path, quick: None) -> None:
    (tmp_path / "program.py").write_text(f"MODEL = {str(model)!r}\n{RUN}print('ready', flush=True)\ntime.sleep(20)")
    command = [sys.executable, "-m", "ortprobe", "trace", "--no-report", "program.py"]
    with subprocess.Popen(command, text=True, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start_s = time.monotonic()
        process.send_signal(signal.SIGHUP)
        assert process.wait() == -signal.SIGHUP
    assert time.monotonic() - start_s < 3
