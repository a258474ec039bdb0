"""What is to be run once more, and which suspected races are to be tried in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ortprobe.bundle.confirmations import Suspect, write_whole

LONGEST_SPIN_MS = 50
"""A stream is held up for no longer at a time, so that no watchdog of the program's or the driver's takes notice."""


class RacePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A program, as `ortprobe trace` was given it, and what to try in it."""

    kind: Literal["script", "module"]
    path: str
    """Of the script, or the module's name. An example is the module `ortprobe.examples.NAME`."""
    argv: tuple[str, ...] = ()
    """The program's arguments, without its own name."""
    suspects: tuple[Suspect, ...] = ()
    result: str = ""
    """Path of the file that the child writes."""
    tries: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    spin_ms: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SPIN_MS)] = 20
    folder: str = ""
    """Where to run it; "" for where the parent is."""
    ends_early: bool = True
    """Whether the program is ended as soon as there is nothing more to try; it runs to its end otherwise."""


def write_plan(plan: RacePlan, path: Path) -> None:
    """By `json`, since paths need not be UTF-8, which msgspec insists on."""
    write_whole(path, json.dumps(msgspec.to_builtins(plan)).encode())


def read_plan(path: Path) -> RacePlan:
    """Raises OSError, or ValueError where the file holds no plan."""
    return msgspec.convert(json.loads(path.read_bytes()), RacePlan)
