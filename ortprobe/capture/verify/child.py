"""One process of a trial: run what the plan says, and write what there is to tell."""

from __future__ import annotations

import sys
from pathlib import Path

from ortprobe.bundle.trials import Trial, write_trial
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.program.program import leave, load_module, load_script
from ortprobe.capture.verify.model import run_model
from ortprobe.capture.verify.plan import TrialPlan, read_plan
from ortprobe.capture.verify.program import run_side
from ortprobe.errors import CaptureFailed, OrtprobeError

_NO_TRIAL = 2


def main(words: list[str]) -> int:  # noqa: RET503 - `leave` does not return
    """Run the plan whose path is the one argument. A program's process ends as the program does."""
    plan = read_plan(Path(*words))
    if plan.kind == "model":
        return _model(plan)
    try:
        if plan.kind == "module":
            program = load_module(plan.path, plan.argv)
        else:
            program = load_script(Path(plan.path), plan.argv)
    except OrtprobeError as error:
        print(f"ortprobe: {error}", file=sys.stderr)
        return _NO_TRIAL
    trial, outcome = run_side(plan, program)
    write_trial(Path(plan.folder), trial)
    leave(outcome)


def _model(plan: TrialPlan) -> int:
    try:
        trial = run_model(plan)
    except OrtprobeError as error:
        trial = Trial(problem=str(error))
    except ImportError as error:
        problem = CaptureFailed(
            f"onnxruntime can't be imported ({one_line(error)}); install onnxruntime-gpu, or onnxruntime for the CPU"
        )
        trial = Trial(problem=str(problem))
    write_trial(Path(plan.folder), trial)
    return 0
