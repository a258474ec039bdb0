"""What one process is to run, on which sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import msgspec

from ortprobe.bundle.confirmations import write_whole
from ortprobe.bundle.trials import SideName
from ortprobe.capture.verify.knobs import Setting

PLAN_NAME = "plan.json"


class TrialPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A target, as `ortprobe verify` was given it."""

    kind: Literal["model", "script", "module"]
    path: str
    """Of the model or script, or the module's name."""
    argv: tuple[str, ...] = ()
    """The program's arguments, without its own name."""
    sides: tuple[SideName, ...] = ()
    """Of a model both, the one that is made first at the front; of a program one."""
    settings: dict[SideName, tuple[Setting, ...]] = {}
    warmup: int = 0
    """Runs that are not timed: of a model before all blocks, of a program those of each session, whose outputs are
    kept."""
    iterations: int | None = None
    """Timed runs of each side of a model; None for as many as a few seconds hold."""
    provider: str | None = None
    shapes: dict[str, tuple[int, ...]] = {}
    dims: dict[str, int] = {}
    folder: str = ""
    """Where to put what there is to tell."""


def write_plan(plan: TrialPlan, path: Path) -> None:
    """By `json`, since paths need not be UTF-8, which msgspec insists on."""
    write_whole(path, json.dumps(msgspec.to_builtins(plan)).encode())


def read_plan(path: Path) -> TrialPlan:
    """Raises OSError, or ValueError where the file holds no plan."""
    return msgspec.convert(json.loads(path.read_bytes()), TrialPlan)
