"""How a trial is said in front of people."""

from __future__ import annotations

from ortprobe.analysis.trials.outputs import OutputComparison, OutputDifference, SameOutputs
from ortprobe.analysis.trials.result import TrialResult
from ortprobe.analysis.trials.saving import Saving, Verdict
from ortprobe.bundle.trials import SideName
from ortprobe.units import format_ns

_LONG = 2.0
_ORDERING = ("user_compute_stream", "disable_synchronize_execution_providers=1")
"""Changes of what is ordered with what."""


def verdict_text(result: TrialResult) -> str:
    """`faster by 2.1 ms a run (1.9 ms to 2.3 ms), × 0.26`; what keeps it from being good comes behind."""
    if result.failure:
        return f"fails with the change: {result.failure}"
    if result.untried or result.saving is None:
        return f"can't tell: {result.untried or 'no runs to compare'}"
    saved = saving_text(result.saving)
    if result.outputs.verdict is SameOutputs.DIFFERENT:
        return f"the outputs differ; {saved}"
    if result.outputs.verdict in (SameOutputs.UNSTEADY, SameOutputs.UNSEEN):
        return f"{saved}, but can't tell whether the outputs are the same"
    return saved


def saving_text(saving: Saving) -> str:
    """The interval in words."""
    if saving.verdict is Verdict.SAME:
        return f"same within {100 * saving.within:.1f} %"
    if saving.verdict is Verdict.UNCLEAR:
        low, high = saving.low_ns, saving.high_ns
        return (
            f"can't tell: too few runs: from {format_ns(-low)} slower to {format_ns(high)} faster; try more --repeats"
        )
    slower = saving.verdict is Verdict.SLOWER
    ends = sorted((abs(saving.low_ns), abs(saving.high_ns)))
    by = f"by {format_ns(abs(saving.saving_ns))} a run ({format_ns(ends[0])} to {format_ns(ends[1])})"
    return f"{'slower' if slower else 'faster'} {by}, × {factor_text(saving.factor)}"


def factor_text(factor: float) -> str:
    """`0.26`, `0.984`, `3.95`."""
    return f"{factor:.2f}" if factor >= _LONG or factor < 0.9 else f"{factor:.3f}"


def side_text(result: TrialResult, side: SideName) -> str:
    """What was set on this side."""
    settings = ", ".join(result.sides[side].settings)
    return settings or ("the default" if result.kind == "model" else "unchanged")


def where_text(result: TrialResult) -> str:
    """`NVIDIA H100, onnxruntime 1.31.1`."""
    where = result.device or ("CUDA" if result.on_cuda else "CPU")
    return f"{where}, onnxruntime {result.onnxruntime}" if result.onnxruntime else where


def measured_text(result: TrialResult) -> str:
    """What a run's time is, and of how many runs."""
    if result.saving is None:
        return ""
    what = "call to return"
    if result.by_pace:
        what = "on average over a block" if result.kind == "model" else "from one run's start to the next one's"
    elif result.kind == "model":
        what = "copy, run, clone"
    a, b = result.saving.runs
    pairs = result.saving.pairs
    processes = f"{pairs} process{'es' if pairs > 1 else ''}{' each' if result.kind != 'model' else ''}"
    return f"{what}; medians of {a} and {b} runs in {processes}; 95 % intervals"


def outputs_text(outputs: OutputComparison) -> str:
    """Whether the outputs are the same, and how far apart they are."""
    worst = outputs.worst
    behind = f" (not all were seen: {outputs.why})" if outputs.why and outputs.verdict is not SameOutputs.UNSEEN else ""
    if outputs.verdict is SameOutputs.UNSEEN:
        return f"can't tell: {outputs.why}"
    if outputs.verdict is SameOutputs.BITWISE or worst is None:
        return f"equal bit for bit ({_counted(outputs.compared)}){behind}"
    if outputs.verdict is SameOutputs.UNSTEADY:
        return f"can't tell: they differ from run to run on one and the same side: {_apart(worst)}{behind}"
    if outputs.verdict is SameOutputs.DIFFERENT:
        return f"they differ beyond {_tolerances(worst)}: {_apart(worst)}{behind}"
    return f"the same within {_tolerances(worst)} ({_counted(outputs.compared)}): {_apart(worst)}{behind}"


def caution_text(result: TrialResult) -> str:
    """What comparing outputs does not show of a change like this; "" where there is nothing to add."""
    settings = " ".join(result.sides["B"].settings)
    if result.kind == "model" or not any(key in settings for key in _ORDERING):
        return ""
    return (
        "outputs were compared once the GPU was done with them; whether the program waits for them itself is for "
        "ortprobe trace to say"
    )


def prediction_text(result: TrialResult) -> str:
    """What a replay said before."""
    predicted = result.prediction
    if predicted is None:
        return f"none: {result.unpredicted}"
    ends = f"{_signed(predicted.low_ns)} to {_signed(predicted.high_ns)}"
    return (
        f"saves {_signed(predicted.saving_ns)} a run ({ends}), by replaying the capture with {predicted.change.value}"
    )


def _apart(worst: OutputDifference) -> str:
    where = f"{worst.dtype} output {worst.name!r}"
    if worst.why:
        return f"{where}: {worst.why}"
    if worst.greatest is None or worst.greatest_relative is None:
        return f"{where} has nothing finite on both sides"
    return f"{where} by up to {worst.greatest:.2g}, relative {worst.greatest_relative:.2g}"


def _tolerances(worst: OutputDifference) -> str:
    return f"rtol {worst.relative:g}, atol {worst.absolute:.2g}"


def _counted(compared: int) -> str:
    return f"{compared} output{'s' if compared != 1 else ''} compared"


def _signed(duration_ns: float) -> str:
    return f"{'−' if duration_ns < 0 else ''}{format_ns(abs(duration_ns))}"
