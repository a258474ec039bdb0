"""Trying a change: the processes of both sides one after the other, and what follows from what they tell."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ortprobe.analysis.trials.compared import (
    SIDES,
    Compared,
    compare_models,
    compare_programs,
    why_failed,
    why_not_taken,
)
from ortprobe.analysis.trials.outputs import compare_outputs
from ortprobe.analysis.trials.prediction import Prediction, predict, predicted_change
from ortprobe.analysis.trials.program_runs import ProgramRuns, program_runs
from ortprobe.analysis.trials.result import TrialResult
from ortprobe.bundle.trials import BUNDLE_NAME, SideName, Trial
from ortprobe.capture.verify.knobs import Setting
from ortprobe.capture.verify.parent import run_trial
from ortprobe.capture.verify.plan import TrialPlan
from ortprobe.errors import CaptureFailed
from ortprobe.ingest import load_bundle

CUDA = "CUDAExecutionProvider"
ASYNC = "disable_synchronize_execution_providers=1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """A change, and what to try it on."""

    kind: Literal["model", "script", "module"]
    path: str
    argv: tuple[str, ...] = ()
    against: tuple[Setting, ...] = ()
    settings: tuple[Setting, ...]
    repeats: int
    warmup: int
    iterations: int | None = None
    provider: str | None = None
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    dims: dict[str, int] = field(default_factory=dict)
    relative: float | None = None
    absolute: float | None = None
    timeout_s: float
    predicted_from: Path | None = None
    predict: bool = False
    """Whether to make a capture of side A for the prediction, where there is none."""

    @property
    def name(self) -> str:
        return self.path if self.kind == "module" else Path(self.path).name

    @property
    def is_async(self) -> bool:
        """Whether a side's runs return before they are complete."""
        return any(str(setting) == ASYNC for setting in (*self.against, *self.settings))


def try_change(request: TrialRequest, progress: Callable[[str], None]) -> TrialResult:
    """Run both sides in turn, `repeats` times, and compare them. `progress` is told of each process.

    Raises:
        CaptureFailed: the target can't be run without the change, or a model not at all.
        UnreadableInput, UsageError: what the prediction is to come from.
    """
    with tempfile.TemporaryDirectory(prefix="ortprobe-verify-") as folder:
        prediction = _prediction(request, Path(folder), progress)
        trials = _trials(request, Path(folder), progress)
        failure = why_failed(trials[-1], trials)
        found = _compared(request, trials)
        on_cuda = CUDA in found.providers
        outputs = compare_outputs(trials, on_cuda=on_cuda, relative=request.relative, absolute=request.absolute)
    return TrialResult(
        target=" ".join((request.name, *request.argv)),
        kind=request.kind,
        sides=found.sides,
        by_pace=request.is_async,
        saving=None if failure else found.saving,
        outputs=outputs,
        prediction=prediction if isinstance(prediction, Prediction) else None,
        unpredicted=prediction if isinstance(prediction, str) else "",
        failure=failure,
        untried=found.untried,
        providers=found.providers,
        device=next((trial.device for trial in trials if trial.device), ""),
        onnxruntime=next((trial.onnxruntime for trial in trials if trial.onnxruntime), ""),
    )


def _trials(request: TrialRequest, folder: Path, progress: Callable[[str], None]) -> list[Trial]:
    """One after the other, until side B fails or can't be tried.

    Sides go first in turn: the second one finds what the first has loaded.
    """
    pairs: list[tuple[SideName, ...]] = [SIDES if repeat % 2 == 0 else SIDES[::-1] for repeat in range(request.repeats)]
    runs = pairs if request.kind == "model" else [(side,) for pair in pairs for side in pair]
    trials: list[Trial] = []
    for number, sides in enumerate(runs):
        progress(f"process {number + 1} of {len(runs)}{'' if len(sides) > 1 else f', side {sides[0]}'}")
        trial = run_trial(_plan(request, sides, folder / str(number)), request.timeout_s)
        if (trial.problem or trial.exit_code) and sides != ("B",):
            raise CaptureFailed(_without_change(request, trial))
        trials.append(trial)
        if why_failed(trial, trials) or why_not_taken(trial):
            break
    return trials


def _plan(request: TrialRequest, sides: tuple[SideName, ...], folder: Path) -> TrialPlan:
    return TrialPlan(
        kind=request.kind,
        path=request.path,
        argv=request.argv,
        sides=sides,
        settings={"A": request.against, "B": request.settings},
        warmup=request.warmup,
        iterations=request.iterations,
        provider=request.provider,
        shapes=request.shapes,
        dims=request.dims,
        folder=str(folder),
    )


def _without_change(request: TrialRequest, trial: Trial) -> str:
    """Why there is nothing to try the change on."""
    problem = trial.problem or f"it ends with exit code {trial.exit_code}"
    return problem if request.kind == "model" else f"{request.name}: fails without the change ({problem})"


def _compared(request: TrialRequest, trials: Sequence[Trial]) -> Compared:
    settings = {name: _words(request, name) for name in SIDES}
    if request.kind == "model":
        return compare_models(trials, settings)
    runs: dict[SideName, list[ProgramRuns]] = {name: [] for name in SIDES}
    for trial in trials:
        for name in trial.sides:
            runs[name].append(program_runs(load_bundle(Path(trial.folder) / BUNDLE_NAME), request.warmup))
    return compare_programs(trials, runs, settings, by_pace=request.is_async)


def _words(request: TrialRequest, side: SideName) -> tuple[str, ...]:
    return tuple(map(str, request.against if side == "A" else request.settings))


def _prediction(request: TrialRequest, folder: Path, progress: Callable[[str], None]) -> Prediction | str:
    """What a capture of side A predicts, or why nothing does."""
    change = predicted_change(_words(request, "B"), _words(request, "A"))
    if change is None:
        return "a replay knows launches, waits and copies, and this change is not one of them alone"
    bundle = request.predicted_from
    if bundle is None and request.predict and not request.against:
        progress("tracing it without the change, for the prediction")
        bundle = _captured(request, folder)
    if bundle is None:
        return "there is no capture of side A; --predict makes one of the default, --predicted-from BUNDLE takes one"
    from ortprobe.analysis.analyses import Analyses
    from ortprobe.report.sayable import doubt_of_paths, stated_what_ifs

    analyses = Analyses(load_bundle(bundle))
    what_ifs = stated_what_ifs(analyses)
    if what_ifs is None:
        return doubt_of_paths(analyses) or "the capture holds no loop that could be replayed"
    return predict(change, what_ifs) or "in the capture there is nothing that this would change"


def _captured(request: TrialRequest, folder: Path) -> Path:
    """A capture of the target as it is.

    Raises:
        CaptureFailed: the target can't be traced.
    """
    options = ["--no-report", "--name", "predicted", "-o", str(folder)]
    options += [word for name, size in request.dims.items() for word in ("--dim", f"{name}={size}")]
    options += [
        word for name, shape in request.shapes.items() for word in ("--shape", f"{name}={','.join(map(str, shape))}")
    ]
    options += ["--provider", request.provider] if request.provider else []
    target = ["-m", request.path] if request.kind == "module" else [request.path]
    trace = [sys.executable, "-m", "ortprobe", "trace", *options, *target, *request.argv]
    bundle, last = folder / "predicted.ortprobe", f"still running after {request.timeout_s:g} s"
    with suppress(subprocess.TimeoutExpired):
        traced = subprocess.run(
            trace, stdin=subprocess.DEVNULL, capture_output=True, timeout=request.timeout_s, check=False
        )
        last = traced.stderr.decode(errors="replace").strip().rpartition("\n")[2].removeprefix("ortprobe: ")
    if not bundle.exists():
        raise CaptureFailed(f"{request.name}: can't be traced for the prediction ({last})")
    return bundle
