"""What the rules about runs that are in flight at once have in common."""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.concurrency import Concurrency, concurrency_of
from ortprobe.rules.thresholds import CONCURRENCY_GAINS, CONCURRENCY_LOSES, CONCURRENT_RUNS
from ortprobe.timeline import Bools
from ortprobe.units import format_ns


def overlapping(analyses: Analyses, chosen: Bools) -> bool:
    """Whether enough of the chosen runs were in flight beside others of them to speak of a habit."""
    return len(concurrency_of(analyses.timeline, analyses.runs, chosen).runs) >= CONCURRENT_RUNS


def gained(concurrency: Concurrency) -> bool:
    """Whether running at once was measured to be worth it."""
    return concurrency.gain is not None and concurrency.gain >= CONCURRENCY_GAINS


def loss_of(concurrency: Concurrency) -> int | None:
    """What running at once cost over running one after another; None where it did not, and where nobody can tell."""
    if concurrency.gain is None or concurrency.gain >= CONCURRENCY_LOSES:
        return None
    return concurrency.compared_ns - concurrency.alone_ns


def told(concurrency: Concurrency) -> str:
    """What was gained, in a sentence."""
    if concurrency.gain is None:
        return "What that gained can't be told: too few such runs had nothing beside them."
    took, alone = format_ns(concurrency.compared_ns), format_ns(concurrency.alone_ns)
    return f"The work that was done in {took} of it takes {alone} one run after another, as such runs take alone."
