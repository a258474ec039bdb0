"""What a chart is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its words; `figure` is None when there is nothing to draw, and `summary` says why."""

    key: str
    title: str
    summary: str
    """What to read off it, for people who can't see it too."""
    figure: Mapping[str, object] | None
