"""All that a trial has given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ortprobe.analysis.trials.outputs import OutputComparison, SameOutputs
from ortprobe.analysis.trials.prediction import Prediction
from ortprobe.analysis.trials.saving import Saving, Verdict
from ortprobe.bundle.trials import SideName


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFacts:
    """One side, over its processes. Medians; None where nobody measured it."""

    settings: tuple[str, ...]
    """`KEY=VALUE` of what was set on this side."""
    creation_ns: int | None
    first_run_ns: int | None
    took_ns: int | None
    """A program from its first line to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """A change that was tried on a target."""

    target: str
    kind: str
    """`model`, `script` or `module`."""
    sides: dict[SideName, SideFacts]
    by_pace: bool
    """Whether a run lasts until the next one begins, or in a model until the block has ended: runs that return before
    they are complete have no latency of their own."""
    saving: Saving | None
    outputs: OutputComparison
    prediction: Prediction | None
    unpredicted: str
    """Why there is no prediction."""
    failure: str = ""
    """How side B failed, where A did not."""
    untried: str = ""
    """Why nothing can be told, where that is not a matter of the interval."""
    providers: tuple[str, ...] = ()
    """Of the sessions of side A."""
    device: str = ""
    """Name of the GPU, where torch knows it."""
    onnxruntime: str = ""

    @property
    def on_cuda(self) -> bool:
        return "CUDAExecutionProvider" in self.providers

    @property
    def is_good(self) -> bool:
        """Whether the change can be made: not slower, for certain, and the outputs are the same."""
        return (
            not self.failure
            and not self.untried
            and self.saving is not None
            and self.saving.verdict in (Verdict.FASTER, Verdict.SAME)
            and self.outputs.verdict in (SameOutputs.BITWISE, SameOutputs.WITHIN)
        )


def median_of(times_ns: Sequence[int | None]) -> int | None:
    """In whole nanoseconds; None of nothing."""
    known = [time_ns for time_ns in times_ns if time_ns is not None]
    return int(median(known)) if known else None
