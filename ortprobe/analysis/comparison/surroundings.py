"""What the captures were made with and on: versions, hardware, program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ortprobe.analysis.analyses import Analyses
from ortprobe.timeline import Capture


class Surrounding(StrEnum):
    HARDWARE = "hardware"
    """Times of other hardware say nothing about the program."""
    VERSION = "version"
    """Often what is to be compared."""
    PROGRAM = "program"
    """The target or its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that isn't the same in all captures in which it is known."""

    kind: Surrounding
    name: str
    """`GPU`, `CPU`, `CPU count`, `target`, `arguments`, or that of a version: `onnxruntime`, `torch` …"""
    before: tuple[str, ...]
    """Each value of that side once."""
    after: tuple[str, ...]


_HARDWARE: dict[str, Callable[[Capture], str]] = {
    "GPU": lambda capture: ", ".join(capture.devices),
    "CPU": lambda capture: capture.cpu,
    "CPU count": lambda capture: str(capture.cpu_count or ""),
}
_PROGRAM: dict[str, Callable[[Capture], str]] = {
    "target": lambda capture: capture.target,
    "arguments": lambda capture: " ".join(capture.argv),
}


def compare_surroundings(before: Sequence[Analyses], after: Sequence[Analyses]) -> tuple[Difference, ...]:
    """What differs between any two captures, of one side too. What a capture doesn't state differs from nothing."""
    sides = [[each.timeline.capture for each in side] for side in (before, after)]
    versions = sorted({name for side in sides for capture in side for name in capture.versions})
    stated = {
        Surrounding.HARDWARE: _HARDWARE,
        Surrounding.VERSION: {name: _version(name) for name in versions},
        Surrounding.PROGRAM: _PROGRAM,
    }
    return tuple(_differences(sides, stated))


def _version(name: str) -> Callable[[Capture], str]:
    return lambda capture: capture.versions.get(name, "")


def _differences(
    sides: Sequence[Sequence[Capture]], stated: dict[Surrounding, dict[str, Callable[[Capture], str]]]
) -> Iterator[Difference]:
    for kind, of_kind in stated.items():
        for name, value_of in of_kind.items():
            old, new = (tuple(dict.fromkeys(filter(None, map(value_of, side)))) for side in sides)
            if old and new and len({*old, *new}) > 1:
                yield Difference(kind=kind, name=name, before=old, after=new)
