"""What is wrong with a capture, as far as the capture itself shows it, with the spans that show it.

Every check is a function from a `Watched` timeline to problems; none loops over events in Python.
"""

from __future__ import annotations

from ortprobe.ingest.integrity.absent import find_absent
from ortprobe.ingest.integrity.clocks import find_impossible_times, find_wrong_device_times, with_witnesses
from ortprobe.ingest.integrity.counts import find_jumps
from ortprobe.ingest.integrity.identities import find_ambiguities
from ortprobe.ingest.integrity.losses import find_full_profiles, find_losses, with_stretch
from ortprobe.ingest.integrity.unpaired import find_unpaired_runs
from ortprobe.ingest.integrity.waits import find_wait_holes
from ortprobe.ingest.watched import Watched
from ortprobe.timeline import Problem, Timeline

__all__ = ["find_problems"]


def find_problems(timeline: Timeline) -> tuple[Problem, ...]:
    """All problems of a timeline: those already stated, with evidence where the spans have some, then those found."""
    watched = Watched.of(timeline)
    stated = [with_witnesses(watched, with_stretch(timeline, problem)) for problem in timeline.problems]
    found = [*find_absent(watched), *find_full_profiles(timeline)]
    if len(timeline.device_ops.span):
        found += [*find_losses(watched), *find_wrong_device_times(watched), *find_wait_holes(watched)]
    found += [*find_impossible_times(watched), *find_ambiguities(watched)]
    return (*stated, *found, *find_unpaired_runs(timeline), *find_jumps(watched))
