"""What trying a change has given: the runs of both sides, process by process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from ortprobe.bundle.confirmations import write_whole

RESULT_NAME = "trial.json"
OUTPUTS_NAME = "outputs.npz"
BUNDLE_NAME = "program.ortprobe"
MAX_RESULT_BYTES = 256 << 20
"""A run is ten bytes."""

SideName = Literal["A", "B"]
"""A is what the change is compared with; B has it."""


class SavedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """An output of a run as it lies in `outputs.npz`."""

    key: str
    """Name of the array in the file."""
    call: str
    """Which run it is of: equal for the same run of both sides."""
    name: str
    dtype: str
    """As the program had it: bfloat16 lies in the file as float32."""


class SideTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One side in one process."""

    times_ns: tuple[int, ...] = ()
    """In the order in which they were measured: one for each run, or for each block the mean of its runs. Empty for a
    program, whose runs are in its bundle."""
    runs: int = 0
    creation_ns: int = 0
    """The first session's constructor."""
    first_run_ns: int = 0
    providers: tuple[str, ...] = ()
    changed: int = 0
    """How many C sessions had the side's settings put in."""
    outputs: tuple[SavedOutput, ...] = ()
    again: tuple[SavedOutput, ...] = ()
    """Those of the same runs made once more."""
    unseen: str = ""
    """Why some outputs are not there."""
    unchanged: str = ""
    """Why the settings were not put into some session."""
    refused: str = ""
    """Why onnxruntime did not make a session, or did not run it."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What one process has to tell, or why it has nothing to tell."""

    folder: str = ""
    """Where its files lie."""
    sides: dict[SideName, SideTrial] = {}
    each_complete: bool = True
    """Whether each time is of one run that was complete at its end; of a block of runs on average otherwise."""
    device: str = ""
    onnxruntime: str = ""
    exit_code: int = 0
    took_ns: int = 0
    problem: str = ""


def write_trial(folder: Path, trial: Trial) -> Path:
    """Write it into the folder of its process: all or nothing."""
    return write_whole(folder / RESULT_NAME, msgspec.json.encode(trial))


def read_trial(folder: Path) -> Trial:
    """Raises OSError, or ValueError where the file holds something else."""
    with (folder / RESULT_NAME).open("rb") as stream:
        raw = stream.read(MAX_RESULT_BYTES + 1)
    if len(raw) > MAX_RESULT_BYTES:
        raise ValueError(f"is larger than {MAX_RESULT_BYTES >> 20} MiB")
    return msgspec.structs.replace(msgspec.json.decode(raw, type=Trial), folder=str(folder))
