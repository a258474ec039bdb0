"""Every command that prints for people does so on a terminal that knows ASCII alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from captures import DATA
from commands import ENVIRONMENT

PAIR = [str(DATA / "h200-diff" / name) for name in ("first-0.zip", "node-0.zip")]
BUNDLE = str(DATA / "h100-examples" / "missing-wait.ortprobe")
EXAMPLE = str(DATA / "h100-examples" / "set-providers.ortprobe")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["rules"], "Y1"),
        (["explain", "B8"], "us"),
        (["diff", *PAIR], "us"),
        (["check", EXAMPLE], "us a run"),
        (["report", BUNDLE], "next: ortprobe explain Y1"),
        (["report", BUNDLE, "--format", "details"], "Critical path"),
    ],
    ids=lambda part: part[0] if isinstance(part, list) else "",
)
def test_what_people_read_is_printed_in_ascii(command, shown, tmp_path):
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    line = [sys.executable, "-m", "ortprobe", *command]
    done = subprocess.run(line, capture_output=True, env=environment, cwd=tmp_path, check=False, timeout=120)
    assert b"Traceback" not in done.stderr
    assert shown in done.stdout.decode("ascii")
