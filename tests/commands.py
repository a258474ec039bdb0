"""Running ortprobe's command line as a user does: in a process of its own, from this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}


def run_python(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`python WORDS…` in `cwd`."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT, timeout=120, check=False)


def ortprobe(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`ortprobe WORDS…` in `cwd`."""
    return run_python("-m", "ortprobe", *words, cwd=cwd)
