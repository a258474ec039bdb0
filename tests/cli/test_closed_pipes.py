"""What reads a command's output may be gone before its end: `ortprobe report … | head`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from captures import DATA
from commands import ENVIRONMENT

BUNDLE = str(DATA / "h100-examples" / "missing-wait.ortprobe")


@pytest.mark.parametrize(
    "command",
    [
        ["report", BUNDLE],
        ["report", BUNDLE, "--format", "json"],
        ["check", BUNDLE],
        ["explain", "Y1"],
        ["report", "--help"],
    ],
    ids=" ".join,
)
def test_a_command_whose_reader_is_gone_ends_as_a_shells_commands_do(command: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    line = [sys.executable, "-m", "ortprobe", *command]
    try:
        done = subprocess.run(
            line, stdout=writer, stderr=subprocess.PIPE, env=ENVIRONMENT, cwd=tmp_path, check=False, timeout=120
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
