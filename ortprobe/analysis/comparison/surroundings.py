"""What the captures were made with and on: versions, hardware, program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ortprobe.analysis.analyses import Analyses


class Surrounding(StrEnum):
    HARDWARE = "hardware"
    """Times of other hardware say nothing about the program."""
    VERSION = "version"
    """Often what is to be compared."""
    PROGRAM = "program"
    """The target or its arguments."""
    MODEL = "model"
    """The content of the model file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that isn't the same in all captures."""

    kind: Surrounding
    name: str
    """`onnxruntime`, `torch`, `GPU`, `CPU`, `target` …"""
    before: tuple[str, ...]
    """Each value of that side once; empty where it is not known."""
    after: tuple[str, ...]
