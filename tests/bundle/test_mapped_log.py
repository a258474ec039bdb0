"""What was appended to a mapped log is in the file, in order, whatever happens to the process."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from commands import run_python
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.bundle.mapped_log import MappedLog

LINES = st.lists(st.binary(max_size=3000).map(lambda raw: raw.replace(b"\n", b" ") + b"\n"), max_size=30)


@given(lines=LINES, long=st.integers(0, 3_000_000))
def test_file_holds_the_lines_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, lines: list, long: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    written = [*lines, b"x" * long + b"\n", *lines]
    log = MappedLog(path)
    for line in written:
        log.append(line)
    assert path.read_bytes().startswith(b"".join(written))
    log.close()
    log.append(b"too late\n")
    assert path.read_bytes() == b"".join(written)


def test_lines_of_threads_are_whole(tmp_path: Path) -> None:
    log = MappedLog(tmp_path / "log")

    def write(number: int) -> None:
        for index in range(20_000):
            log.append(b"%d %d %s\n" % (number, index, b"x" * (index % 97)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    log.close()
    seen: dict[int, int] = {}
    for line in (tmp_path / "log").read_bytes().splitlines():
        number, index, filling = line.split(b" ")
        assert len(filling) == int(index) % 97
        assert int(index) == seen.get(int(number), -1) + 1
        seen[int(number)] = int(index)
    assert seen == dict.fromkeys(range(4), 19_999)


@pytest.mark.parametrize(
    ("end", "code"),
    [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("ctypes.string_at(0)", -signal.SIGSEGV)],
)
def test_nothing_is_lost_when_the_process_dies(tmp_path: Path, end: str, code: int) -> None:
    script = f"""
import ctypes, os
from pathlib import Path
from ortprobe.bundle.mapped_log import MappedLog
log = MappedLog(Path("log"))
for index in range(30_000):
    log.append(b"line %d\\n" % index + b"x" * 40 + b"\\n")
{end}
"""
    assert run_python("-c", script, cwd=tmp_path).returncode == code
    lines = (tmp_path / "log").read_bytes().rstrip(b"\0").splitlines()
    assert len(lines) == 60_000
    assert lines[-2] == b"line 29999"


def test_signal_handler_that_appends_in_the_middle(tmp_path: Path) -> None:
    log = MappedLog(tmp_path / "log")
    handled = []

    def handle(*_: object) -> None:
        handled.append(1)
        log.append(b"handler\n")

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(200_000):
            log.append(b"program " + b"y" * 32 + b"\n")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    log.close()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert len(handled) > 10
    assert lines.count(b"handler") == len(handled)
    assert lines.count(b"program " + b"y" * 32) == 200_000


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    log = MappedLog(tmp_path / "log")
    log.append(b"line\n")
    assert not [fd for fd in set(os.listdir("/proc/self/fd")) - before if os.path.exists(f"/proc/self/fd/{fd}")]
    log.close()
