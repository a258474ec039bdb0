"""What the replay of a capture says a change would save, for changes that it can replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.changes import Change

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


def predict(settings: Sequence[str], against: Sequence[str], analyses: Analyses | None) -> Prediction | str:
    """The prediction for going from `against` to `settings`, or why there is none."""
    changed = set(settings) ^ set(against)
    changes = [CHANGES[each] for each in settings if each in CHANGES and each not in against]
    keys = {each.partition("=")[0] for each in changed}
    if len(keys) != 1 or len(changes) != 1:
        return "none: a replay knows launches, waits and copies, and not what this changes"
    if analyses is None:
        return "none: give a capture of side A with --predicted-from"
    what_ifs = analyses.what_ifs
    if what_ifs is None:
        return "none: the capture holds no loop that could be replayed"
    found = what_ifs.of_change(changes[0])
    if found is None:
        return "none: in the capture there is nothing that this would change"
    now_ns = what_ifs.pace_ns
    return Prediction(
        change=changes[0],
        saving_ns=now_ns - found.pace_ns,
        low_ns=now_ns - found.high_ns,
        high_ns=now_ns - found.low_ns,
    )
