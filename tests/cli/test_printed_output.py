"""Output that nobody reads to its end (`ortprobe report … | head`), or that finds no room."""

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


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="a device without room is Linux's")
@pytest.mark.parametrize("command", [["rules"], ["report", BUNDLE, "--format", "json"]], ids=" ".join)
def test_output_that_finds_no_room_is_told_in_one_line(command: list[str], tmp_path: Path) -> None:
    line = [sys.executable, "-m", "ortprobe", *command]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            line, stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, cwd=tmp_path, check=False, timeout=120
        )
    assert done.returncode == 2
    assert done.stderr == b"ortprobe: what is to be printed can't be written (No space left on device)\n"
