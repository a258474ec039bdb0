"""One side of a program: run it unchanged, with the hooks that time its runs and nothing else attached."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter_ns

from ortprobe.bundle import Settings, Target
from ortprobe.bundle.trials import BUNDLE_NAME, SideTrial, Trial
from ortprobe.capture.environment import describe_environment
from ortprobe.capture.program.program import Outcome, Program, run_program
from ortprobe.capture.tracing import Capture
from ortprobe.capture.verify.outputs import KeptOutputs
from ortprobe.capture.verify.plan import TrialPlan
from ortprobe.capture.verify.program_hooks import SideHooks

HOOKS_ALONE = Settings(active_runs=0, torch_runs=0, windows=0, follow_children=False)


def run_side(plan: TrialPlan, program: Program) -> tuple[Trial, Outcome]:
    """Run it to its end; its runs are in the bundle `BUNDLE_NAME` in the plan's folder, outputs of the first beside it.

    Raises:
        UsageError, OutputExists: see `Capture.start`.
    """
    (name,) = plan.sides
    folder, kept = Path(plan.folder), KeptOutputs()
    hooks = SideHooks(plan.settings.get(name, ()), plan.warmup, kept)
    hooks.install()
    target = Target(kind=program.kind, name=program.name, argv=program.argv)
    capture = Capture(folder / BUNDLE_NAME, target, HOOKS_ALONE, torch_profiler=False)
    capture.start()
    outcome = Outcome(exit_code=1, exception="interrupted")
    start_ns = perf_counter_ns()
    try:
        outcome = run_program(program)
    finally:
        took_ns = perf_counter_ns() - start_ns
        capture.finish(outcome.exit_code, outcome.exception)
        hooks.restore()
    kept.save(folder)
    side = SideTrial(
        changed=hooks.changed,
        outputs=tuple(hooks.outputs),
        unseen=kept.unseen,
        refused=hooks.refused,
        unchanged=hooks.unchanged,
    )
    environment = describe_environment()
    device = environment.devices[0].name if environment.devices else ""
    trial = Trial(
        sides={name: side},
        device=device,
        onnxruntime=environment.onnxruntime,
        exit_code=outcome.exit_code,
        took_ns=took_ns,
        problem=outcome.exception,
    )
    return trial, outcome
