"""The examples run by themselves on a machine without a GPU, and say so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ortprobe.examples import example_names


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing-wait", "0 of 80 outputs wrong"),
        ("set-providers", "median pass after set_providers"),
        ("healthy", "0 of 80 outputs wrong"),
    ],
)
def test_example_runs_by_itself(name: str, says: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", f"ortprobe.examples.{name.replace('-', '_')}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no CUDA GPU")
    assert says in done.stdout


def test_names_are_those_of_the_files() -> None:
    assert example_names() == ("missing-wait", "set-providers", "healthy")
