"""A trial for machines."""

from __future__ import annotations

import msgspec

from ortprobe.analysis.trials.result import TrialResult
from ortprobe.report.trials.wording import verdict_text

SCHEMA_VERSION = 1


def trial_json(result: TrialResult) -> bytes:
    """Indented, with a final newline.

    `{"schema_version": 1, "verdict", "sentence", "is_good", "target", "kind", "sides": {"A"|"B": {"settings",
    "creation_ns", "first_run_ns", "took_ns"}}, "by_pace", "saving": {"verdict", "a_ns", "b_ns", "saving_ns", "low_ns",
    "high_ns", "factor", "factor_low", "factor_high", "within", "pairs", "runs"}, "outputs": {"verdict", "compared",
    "worst", "why"}, "prediction": {"change", "saving_ns", "low_ns", "high_ns"}, "unpredicted", "failure", "untried",
    "device", "onnxruntime"}`. `verdict` is `faster`, `slower`, `same`, `unclear`, `outputs-differ`, `fails` or
    `untried`; what nobody measured is null.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "verdict": _verdict(result),
        "sentence": verdict_text(result),
        "is_good": result.is_good,
    } | msgspec.to_builtins(result)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _verdict(result: TrialResult) -> str:
    if result.failure:
        return "fails"
    if result.untried or result.saving is None:
        return "untried"
    return "outputs-differ" if result.outputs.verdict == "different" else result.saving.verdict.value
