"""What the replay of a capture says a change would save, for changes that it can replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.path.what_if import WhatIfs

CHANGES: Mapping[str, Change] = {
    "disable_synchronize_execution_providers=1": Change.NO_RUN_WAITS,
    "enable_cuda_graph=1": Change.ONE_LAUNCH,
}
"""Settings that are a change of the replay's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a run would save, from one run's start to the next."""

    change: Change
    saving_ns: int
    low_ns: int
    high_ns: int


def predicted_change(settings: Sequence[str], against: Sequence[str]) -> Change | None:
    """The replay's change from `against` to `settings`, which are `KEY=VALUE`; None where it is not just one of its."""
    changed = set(settings) ^ set(against)
    if len({each.partition("=")[0] for each in changed}) != 1:
        return None
    return next((CHANGES[each] for each in changed.intersection(settings) if each in CHANGES), None)


def predict(change: Change, what_ifs: WhatIfs) -> Prediction | None:
    """None where there is nothing in the capture that this would change."""
    found = what_ifs.of_change(change)
    if found is None:
        return None
    now_ns = what_ifs.pace_ns
    return Prediction(
        change=change,
        saving_ns=now_ns - found.pace_ns,
        low_ns=now_ns - found.high_ns,
        high_ns=now_ns - found.low_ns,
    )
