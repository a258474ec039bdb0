"""`ortprobe trace --confirm-races`: run the program once more, and try to make the races that were found show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ortprobe.bundle import Suspect, write_confirmations
from ortprobe.capture.confirm.parent import confirm_races
from ortprobe.capture.confirm.plan import RacePlan
from ortprobe.cli.outputs import say

if TYPE_CHECKING:
    from ortprobe.analysis.analyses import Analyses

_LEAST_TIME_S = 120.0
_TIMES_AS_LONG = 3
"""The program runs without profilers the second time, but each try holds it up."""


def confirm(bundle: Path, plan: RacePlan, environment: Mapping[str, str], took_s: float) -> None:
    """Find the races of a capture, try each, and leave what that gave in the bundle.

    Whatever goes wrong is said, and costs nothing else: the capture is complete before.
    """
    from ortprobe.analysis.analyses import Analyses
    from ortprobe.ingest import load_bundle

    try:
        suspects = tuple(dict.fromkeys(_suspects(Analyses(load_bundle(bundle)))))
        if not suspects:
            say("no race between two lines of the program was found, so there is none to confirm")
            return
        say(f"running the program once more to confirm {len(suspects)} race{'s' if len(suspects) > 1 else ''}")
        found = confirm_races(
            replace(plan, suspects=suspects), max(_LEAST_TIME_S, _TIMES_AS_LONG * took_s), environment
        )
        write_confirmations(bundle, found)
        say(f"confirmed {sum(one.is_confirmed for one in found)} of {len(found)}")
    except Exception as error:
        say(f"races could not be confirmed ({type(error).__name__}: {error})")


def _suspects(analyses: Analyses) -> Iterator[Suspect]:
    """Each race by its two lines."""
    from ortprobe.analysis.races.memory_order import Verdict
    from ortprobe.analysis.races.order import Hazard

    for pair in analyses.races.of_verdict(Verdict.RACE):
        first, second = pair.first.site, pair.second.site
        if pair.hazard is Hazard.WRITE_AFTER_WRITE or first is None or second is None:
            continue
        yield Suspect(
            hazard="read-after-write" if pair.hazard is Hazard.READ_AFTER_WRITE else "write-after-read",
            first_what=pair.first.what,
            first_site=str(first),
            second_what=pair.second.what,
            second_site=str(second),
            buffer=pair.second.buffer or pair.first.buffer,
        )
