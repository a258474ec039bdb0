"""What a rule says: a finding with its evidence, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ortprobe.timeline import Site
from ortprobe.timeline.intervals import Intervals


class Severity(StrEnum):
    """ERROR: results are wrong or the program fails. WARNING: it costs time. INFO: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(StrEnum):
    """CERTAIN: read off the capture. LIKELY: inferred from it, with the inference named in the detail."""

    CERTAIN = "certain"
    LIKELY = "likely"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem of the traced program, however often it occurred."""

    code: str
    severity: Severity
    title: str
    """One sentence with the figures: what happened."""
    detail: str
    """What it means and how it is known, in a few sentences."""
    count: int
    cost_ns: int | None
    """What it cost in this capture; None when that can't be said."""
    confidence: Confidence
    where: tuple[Site, ...]
    evidence: tuple[int, ...]
    """Spans, the most telling first."""
    fix: str
    """What to change, as prose and, indented by four, code. Code to change has two columns more in front of each line:
    `+ ` for what comes in, `- ` for what goes, blanks for what stays."""
    over_runs: int | None = None
    """In how many runs `cost_ns` was paid, or looked for; None for all of the capture, until `judge` counts them."""
    paid: Intervals | None = field(default=None, compare=False, repr=False)
    """When `cost_ns` was paid: sorted, disjoint stretches. None where that is not known."""
    saves_ns: int | None = None
    """What the runs of the capture would have saved without the fault, where a replay tells; None: what it cost."""
    own_cost_ns: int | None = None
    """The part of `cost_ns` that no finding before this one counts. Filled in by `judge`."""
    counted_with: tuple[str, ...] = ()
    """Codes of the findings that count the rest. Filled in by `judge`."""

    @property
    def cost_per_run_ns(self) -> int | None:
        """`cost_ns` spread over the runs in which it was looked for; None where it, or they, are not known."""
        return round(self.cost_ns / self.over_runs) if self.cost_ns is not None and self.over_runs else None

    @property
    def worth_ns(self) -> int | None:
        """What mending it saves in a capture like this one: by a replay, else what it cost."""
        return self.cost_ns if self.saves_ns is None else self.saves_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The rule could judge, and the program does not have the problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable:
    """The rule could not judge: the evidence it needs is not in the capture, or there is nothing it speaks about."""

    why: str
    evidence_missing: bool
    """True when the capture lacks the evidence; False when the program has nothing of the kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailed:
    """The rule itself broke; the other rules are not affected."""

    error: str


Outcome = Finding | Passed | NotApplicable | RuleFailed
