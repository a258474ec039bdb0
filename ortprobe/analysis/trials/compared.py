"""Both sides of a trial beside one another, from what its processes told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortprobe.analysis.trials.program_runs import ProgramRuns, dearest_session
from ortprobe.analysis.trials.result import SideFacts, median_of
from ortprobe.analysis.trials.saving import Saving, compute_saving, times_of
from ortprobe.bundle.trials import SideName, SideTrial, Trial

SIDES: tuple[SideName, SideName] = ("A", "B")
Settings = Mapping[SideName, tuple[str, ...]]
"""`KEY=VALUE` of what was set on each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The facts of both sides, and what one saves."""

    sides: dict[SideName, SideFacts]
    saving: Saving | None
    providers: tuple[str, ...]
    """Of side A."""
    untried: str = ""
    """Why there is no saving, where that is not a matter of the interval."""


def compare_models(trials: Sequence[Trial], settings: Settings) -> Compared:
    """From processes of which each ran both sides; those that did not are left out."""
    whole = [trial for trial in trials if len(trial.sides) == len(SIDES)]
    of = {name: [trial.sides[name] for trial in whole] for name in SIDES}
    times = {name: [times_of(side.times_ns) for side in sides] for name, sides in of.items()}
    a, b = (sum(side.runs for side in of[name]) for name in SIDES)
    return Compared(
        sides={
            name: SideFacts(
                settings=settings[name],
                creation_ns=median_of([side.creation_ns for side in sides]),
                first_run_ns=median_of([side.first_run_ns for side in sides]),
                took_ns=None,
            )
            for name, sides in of.items()
        },
        saving=compute_saving(times["A"], times["B"], (a, b)),
        providers=of["A"][0].providers if of["A"] else (),
    )


def compare_programs(
    trials: Sequence[Trial], runs: Mapping[SideName, Sequence[ProgramRuns]], settings: Settings, *, by_pace: bool
) -> Compared:
    """From processes of which each ran one side; `runs` holds what each side's did, in the order of the trials.

    The session whose runs take the most time is the one that is compared. `by_pace`: from one run's start to the next
    one's.
    """
    took = {name: [trial.took_ns for trial in trials if name in trial.sides] for name in SIDES}
    sides = {
        name: SideFacts(
            settings=settings[name],
            creation_ns=median_of([each.creation_ns for each in runs[name]]),
            first_run_ns=median_of([each.first_run_ns for each in runs[name]]),
            took_ns=median_of(took[name]),
        )
        for name in SIDES
    }
    providers = tuple(dict.fromkeys(provider for each in runs["A"] for provider in each.providers))
    untried = next((each for each in map(why_not_taken, trials) if each), "")
    session = dearest_session(tuple(runs["A"]))
    if untried or session is None:
        made = runs["A"][0].runs if runs["A"] else 0
        few = f"the program makes {made} runs in its own process, and none of them is left to time after --warmup"
        return Compared(sides=sides, saving=None, providers=providers, untried=untried or few)
    times = {name: [each.times_ns(session, pace=by_pace) for each in runs[name]] for name in SIDES}
    return Compared(sides=sides, saving=compute_saving(times["A"], times["B"]), providers=providers)


def why_failed(trial: Trial, trials: Sequence[Trial]) -> str:
    """How side B failed in this process; "" where it did not. What onnxruntime refuses to side A too is no failure."""
    if "A" in trial.sides and "B" not in trial.sides:
        return ""
    refused = trial.sides.get("B", SideTrial()).refused
    if refused and not any(each.sides["A"].refused for each in trials if "A" in each.sides):
        return f"onnxruntime refuses it ({refused})"
    if trial.problem or trial.exit_code:
        return trial.problem or f"it ended with exit code {trial.exit_code}"
    return ""


def why_not_taken(trial: Trial) -> str:
    """Why nothing in this process was made with the settings of side B; "" where something was."""
    side = trial.sides.get("B")
    if side is None or side.refused or side.changed:
        return ""
    why = side.unchanged or "no session was made in the program's own process"
    return f"nothing took the change: {why}"
