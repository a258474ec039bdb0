"""The capture as a context manager, and on a machine without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ortprobe
from ortprobe.bundle import Call, Lost, SessionCreated, read_bundle
from ortprobe.errors import OutputExists, UsageError


def test_exception_leaves_the_block_and_a_complete_bundle(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), ortprobe.trace(tmp_path, name="mine", torch_profiler=False):
        raise ValueError("inside")
    ending = read_bundle(tmp_path / "mine.ortprobe").manifest.ending
    assert ending is not None
    assert ending.exception == "ValueError: inside"


def test_one_capture_at_a_time(tmp_path: Path) -> None:
    with (
        ortprobe.trace(tmp_path, torch_profiler=False),
        pytest.raises(UsageError, match="already under way"),
        ortprobe.trace(tmp_path, name="second"),
    ):
        pass
    assert not (tmp_path / "second.ortprobe").exists()
    with pytest.raises(OutputExists), ortprobe.trace(tmp_path):
        pass


def test_without_torch_sessions_are_still_recorded(tmp_path: Path, model: Path) -> None:
    program = f"""
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ImportError("no torch here")
sys.meta_path.insert(0, NoTorch())
import numpy, ortprobe
with ortprobe.trace({str(tmp_path)!r}):
    runner = ortprobe.Runner.open({str(model)!r})
    print(runner({{"x": numpy.ones((2, 3), "float32")}})["z"].sum())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "-6.0\n"), done.stderr
    records = read_bundle(tmp_path / "trace.ortprobe").records
    assert not [record for record in records if isinstance(record, Lost)]  # nothing that torch could have shown
    assert sum(isinstance(record, SessionCreated) for record in records) == 1
    assert [record.attached for record in records if isinstance(record, Call) and record.what.startswith("run_")] == [1]
