"""A figure as far as it is known: between two bounds, and why they are not one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.timeline import Site


class Unit(StrEnum):
    """What a figure counts."""

    COUNT = "count"
    """Of the whole capture."""
    PER_RUN = "per run"
    """A count for each run, on average."""
    TIME = "ns"
    SHARE = "share"
    """A part of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The true figure is `low` at least and `high` at most; None where nothing bounds it."""

    low: float
    high: float | None
    why: str = ""
    """Why the two are not the same, as a clause that goes on after "because"; empty where they are."""
    where: tuple[Site, ...] = ()
    """The program's own lines that make the figure what it is, the most telling first."""
    names: tuple[str, ...] = ()
    """The same for what has no line: nodes, devices."""

    @property
    def exact(self) -> float | None:
        """The figure where it is known."""
        return self.high if self.low == self.high else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure that a budget can limit."""

    key: str
    """What it is called in budgets."""
    unit: Unit
    meaning: str
    """What it is, in one line."""
    measure: Callable[[Analyses], Measured]

    @property
    def structural(self) -> bool:
        """Whether it is a count, which a faster or busier machine does not change."""
        return self.unit in (Unit.COUNT, Unit.PER_RUN)


def unknown(why: str) -> Measured:
    """Nothing is known of the figure."""
    return Measured(low=0, high=None, why=why)


def counted(
    analyses: Analyses, value: float, *claims: Claim, where: tuple[Site, ...] = (), names: tuple[str, ...] = ()
) -> Measured:
    """What was counted, which is the least there was where the capture's problems forbid one of the claims."""
    why = doubts(analyses, *claims)
    return Measured(low=value, high=None if why else value, why=why, where=where, names=names)


def doubts(analyses: Analyses, *claims: Claim) -> str:
    """Why one of these claims can't be made of the capture, as a clause; empty where all can."""
    return "; ".join(filter(None, dict.fromkeys(analyses.integrity.can_say(claim).why_not for claim in claims)))
