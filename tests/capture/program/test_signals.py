"""Signals reach the program, its handlers and its children as they do without the tracer."""

from __future__ import annotations

import signal

import pytest

from ortprobe.bundle import Lost, Window
from tests.capture.conftest import RUN, Both, Trace, send


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
write = torch.autograd.profiler.profile.export_chrome_trace
def interrupted(self, path):
    {send(name)}
    sum(range(1000))
    write(self, path)
    print("written", flush=True)
torch.autograd.profiler.profile.export_chrome_trace = interrupted
for _ in range(10):
    session.run(None, feeds)
time.sleep(20)
"""
    program = trace_script(RUN + text, "--active", "4", "--torch-runs", "4")
    assert program.code == -getattr(signal, name), program.stderr
    assert program.stdout == "written\n"
    records = program.bundle.records
    assert [record.file for record in records if isinstance(record, Window)] == ["torch-0.json"]
    assert not [record for record in records if isinstance(record, Lost)]
    assert "export_chrome_trace" not in program.stderr
