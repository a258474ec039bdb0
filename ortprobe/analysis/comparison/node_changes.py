"""Nodes of both sides, found again by name, by what they were in the model, or by operator and position."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ortprobe.analysis.comparison.bootstrap import Change


class NodeMatch(StrEnum):
    """How nodes of the two sides found one another."""

    NAME = "name"
    ORIGIN = "origin"
    """They execute the same nodes of the model; one of several, where ORT fused on one side alone."""
    POSITION = "position"
    """The same operator at the same place between nodes that were found."""
    ONLY_BEFORE = "only-before"
    ONLY_AFTER = "only-after"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedNode:
    """An executed node of one side."""

    name: str
    op_type: str
    provider: str
    row: int
    """In `Timeline.nodes` of the side's first capture that has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """A node, or several that do the same work, on both sides. Means for each run; None where nobody measured."""

    match: NodeMatch
    before: tuple[MatchedNode, ...]
    after: tuple[MatchedNode, ...]
    device_before_ns: float | None
    device_after_ns: float | None
    host_before_ns: float | None
    """Its own host time, without nodes of its subgraphs."""
    host_after_ns: float | None
    change: Change | None
    """Of the median over runs of the device time, or of the host time without a GPU trace; of the nodes that differ
    most, None for the others."""

    @property
    def name(self) -> str:
        """What it is called after the change, or before it where it is gone."""
        return ", ".join(node.name for node in self.after or self.before)
