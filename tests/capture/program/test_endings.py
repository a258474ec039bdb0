"""Whatever a program dies of, it dies as it does without the tracer, and what it shows on its way is the same text.

Each case is run twice, by `python` and by `ortprobe trace`, and compared: stdout, stderr and the status its parent
sees. Torch is kept from being imported where a case has nothing to do with it, which takes half of a second instead of
two.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import ortprobe
from onnx import TensorProto, helper, save_model

from ortprobe.bundle import Call, read_bundle
from tests.capture.conftest import RUN, Both, run_count, send, send_later, shown

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
    report = ortprobe("report", pair.traced.folder, "--format", "details", cwd=tmp_path)
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
    """By itself such a program aborts at times: onnxruntime comes back into a Python that is taking itself apart."""
    work = "def work():\n    while True: session.run(None, feeds)\n"
    last = "threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.3)\n"
    pair = both(RUN + work + last + "print('end', flush=True)")
    assert (pair.traced.code, pair.traced.stdout) == (0, pair.bare.stdout)
    assert pair.traced.bundle.manifest.ending is not None
    assert run_count(pair.traced) > 5


def test_interrupted_wait_for_threads_ends_the_program_without_error(both: Both) -> None:
    pair = both(RUN + send_later("SIGINT") + "threading.Thread(target=time.sleep, args=(0.8,)).start()\n")
    assert (pair.traced.code, pair.traced.stdout) == (pair.bare.returncode, pair.bare.stdout) == (0, "")
    first = "Exception ignored in: <module 'threading'"
    assert pair.bare.stderr.startswith(first)
    assert shown(pair.traced.stderr).startswith(first)
    assert "KeyboardInterrupt" in pair.traced.stderr


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
