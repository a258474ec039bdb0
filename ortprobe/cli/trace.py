"""`ortprobe trace`: run a target with everything attached, then analyse what was recorded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from ortprobe.bundle import Settings
from ortprobe.cli.options import parse_dims, parse_shapes, parse_size
from ortprobe.cli.outputs import Choices, Outputs, conclude, say
from ortprobe.errors import CaptureFailed, ProgramInterrupted, UsageError

if TYPE_CHECKING:
    from ortprobe.capture.program.program import Outcome, Program

_DEFAULTS = Settings()
_UNTRACED_RUNS = 50
_MODEL_SUFFIX = ".onnx"
_LONGEST_NAME_BYTES = 200
"""File systems allow 255, and `.ortprobe` and the like come on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of one trace, as the command line gives them."""

    out: Path | None
    name: str
    example: str | None
    module: str | None
    no_report: bool
    warmup: int
    active: int
    torch_runs: int
    repeat: int
    wait: int
    duration: float
    max_size: int
    no_children: bool
    iterations: int | None
    provider: str | None
    shapes: dict[str, tuple[int, ...]]
    dims: dict[str, int]
    nvtx_only: bool
    confirm_races: bool
    force: bool
    open_report: bool
    target: tuple[str, ...]


class TraceCommand(click.Command):
    """As with `python -m MODULE …`, everything behind the module's name belongs to the module, options too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {
            name
            for option in self.params
            if isinstance(option, click.Option) and option.is_flag
            for name in option.opts
        }
        index = 0
        while index < len(args) and args[index].startswith("-") and args[index] not in ("-", "--"):
            if args[index] == "-m" and index + 1 < len(args):
                args.insert(index + 2, "--")
                break
            attached = "=" in args[index] or (len(args[index]) > 2 and args[index][1] != "-")
            index += 1 if args[index] in flags or attached else 2
        return super().parse_args(ctx, args)


@click.command(
    "trace",
    cls=TraceCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    no_args_is_help=True,
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the bundle, the report and findings.json; reports/NAME by default.",
)
@click.option("--name", default="", help="Name of the outputs; the target's by default.")
@click.option("--example", metavar="NAME", help="Trace one of ortprobe's own example programs.")
@click.option("-m", "module", metavar="MODULE", help="Trace a module, as python -m runs it.")
@click.option("--no-report", is_flag=True, help="Only record.")
@click.option(
    "--warmup",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Runs of each session before torch's profiler is attached.",
)
@click.option(
    "--active",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Runs of each session with ORT's profile and torch's profiler.",
)
@click.option(
    "--torch-runs",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Runs after those with torch's profiler alone; later ones are only timed.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=_DEFAULTS.windows,
    show_default=True,
    help="How often torch's profiler is attached for a session.",
)
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=_DEFAULTS.wait_runs,
    show_default=True,
    help="Runs of a session between two of these times.",
)
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    default=_DEFAULTS.longest_window_ns / 1e9,
    show_default=True,
    help="Seconds after which a profiler is detached, however many runs it has seen.",
)
@click.option(
    "--max-size",
    default=f"{_DEFAULTS.largest_bundle_bytes / 1e9:.0f}GB",
    show_default=True,
    callback=parse_size,
    metavar="SIZE",
    help="Size of the bundle at which recording ends, in MB or GB.",
)
@click.option("--no-children", is_flag=True, help="Don't record child processes.")
@click.option("--iterations", type=click.IntRange(1), help="How often to run a model.")
@click.option("--provider", type=click.Choice(["cuda", "cpu"]), help="Where to run a model.")
@click.option(
    "--shape", "shapes", multiple=True, metavar="INPUT=N,C,…", callback=parse_shapes, help="Shape of a model's input."
)
@click.option(
    "--dim", "dims", multiple=True, metavar="DIM=SIZE", callback=parse_dims, help="Size of a model's free dimension."
)
@click.option("--nvtx-only", is_flag=True, help="Without torch's profiler: for use under nsys.")
@click.option(
    "--confirm-races",
    is_flag=True,
    help="Afterwards, run a script or module once more and try to make the races that were found change its outputs.",
)
@click.option("--force", is_flag=True, help="Overwrite outputs that are already there.")
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@click.argument("target", nargs=-1, type=click.UNPROCESSED, metavar="TARGET [ARGS]...")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Run TARGET (a script, or a model.onnx), record it, and write the report.

    Everything after TARGET belongs to it. The exit code is the target's own.
    """
    ctx.exit(trace_target(Request(**options)))


def trace_target(request: Request) -> int:
    """Record the target, analyse and report; the target's exit code, or 2 when only analysing failed."""
    from ortprobe.capture.program.program import leave

    program = load_target(request)
    name = request.name or program.name
    if Path(name).name != name or len(os.fsencode(name)) > _LONGEST_NAME_BYTES:
        raise UsageError(f"--name {name}: can't be the name of a file; choose the folder with -o")
    outputs = Outputs.of(request.out or Path("reports") / name, name)
    outputs.check(report=not request.no_report, force=request.force)
    made = outputs.make_folder()
    on_disk = outputs.absolute()
    environment, folder, start_s = dict(os.environ), os.getcwd(), monotonic()
    choices = Choices(no_report=request.no_report, force=request.force, open_report=request.open_report)
    try:
        outcome = record(program, outputs.bundle, request, lambda code: conclude(outputs, on_disk, choices, code))
    except CaptureFailed:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        raise
    if request.confirm_races and not outcome.signal:
        _confirm(on_disk.bundle, request, folder, environment, monotonic() - start_s)
    try:
        code = conclude(outputs, on_disk, choices, outcome.exit_code)
    finally:
        if outcome.signal:
            raise ProgramInterrupted
    if outcome.runs_on:
        leave(replace(outcome, exit_code=code))
    return code


def _confirm(bundle: Path, request: Request, folder: str, environment: dict[str, str], took_s: float) -> None:
    """Confirm races of what can be run again: a script, a module, an example."""
    from ortprobe.capture.confirm.plan import RacePlan
    from ortprobe.cli.confirm import confirm

    words = request.target
    if request.example is not None:
        module = f"ortprobe.examples.{request.example.replace('-', '_')}"
        plan = RacePlan(kind="module", path=module, argv=words, folder=folder)
    elif request.module is not None:
        plan = RacePlan(kind="module", path=request.module, argv=words, folder=folder)
    elif Path(words[0]).suffix == _MODEL_SUFFIX:
        say("--confirm-races: a model has no program of its own to run again")
        return
    else:
        plan = RacePlan(kind="script", path=words[0], argv=words[1:], folder=folder)
    confirm(bundle, plan, environment, took_s)


def load_target(request: Request) -> Program:
    """Find the target and make it ready to run, so that what is wrong with it is said before anything is written."""
    from ortprobe.capture.program.program import load_module, load_script

    words = request.target
    if request.example is not None:
        return load_example(request.example, words)
    if request.module is not None:
        return load_module(request.module, words)
    if not words:
        raise UsageError("nothing to trace: give a script, a model.onnx, -m MODULE or --example NAME")
    path = Path(words[0])
    if path.suffix == _MODEL_SUFFIX and not path.is_dir():
        return _load_model(path, words[1:], request)
    return load_script(path, words[1:])


def load_example(name: str, args: Sequence[str]) -> Program:
    """One of the programs in `ortprobe.examples`, by its file name with dashes.

    Raises:
        UsageError: there is none of this name.
    """
    from ortprobe.capture.program.program import load_module
    from ortprobe.examples import example_names

    known = example_names()
    if name not in known:
        raise UsageError(f"--example {name}: there is no such example; there are {', '.join(known)}")
    return load_module(f"ortprobe.examples.{name.replace('-', '_')}", args, kind="example", title=name)


def record(program: Program, folder: Path, request: Request, killed: Callable[[int], object]) -> Outcome:
    """Run the program under a capture; the bundle is complete when this returns, however the program ended.

    A signal that kills the program calls `killed` with its exit code and the bundle complete, and nothing returns.
    """
    from ortprobe.bundle import Target
    from ortprobe.capture.environment import profiling_tool
    from ortprobe.capture.program.program import Outcome, run_program
    from ortprobe.capture.program.signals import FatalSignals
    from ortprobe.capture.tracing import Capture

    capture = Capture(
        folder,
        Target(kind=program.kind, name=program.name, argv=program.argv),
        Settings(
            warmup_runs=request.warmup,
            active_runs=request.active,
            torch_runs=request.torch_runs,
            windows=request.repeat,
            wait_runs=request.wait,
            longest_window_ns=int(request.duration * 1e9),
            largest_bundle_bytes=request.max_size,
            follow_children=not request.no_children,
        ),
        torch_profiler=not request.nvtx_only,
        force=request.force,
    )

    def finish(outcome: Outcome) -> None:
        try:
            capture.finish(outcome.exit_code, outcome.exception)
        except Exception as error:
            say(f"{folder}: could not be completed ({type(error).__name__}: {error})")

    def die(number: int) -> None:
        outcome = Outcome.killed(number)
        finish(outcome)
        killed(outcome.exit_code)

    say(f"tracing {program.name}")
    outcome = Outcome(exit_code=1, exception="the tracer was interrupted")
    capture.start()
    with FatalSignals(die):
        try:
            outcome = run_program(program)
        finally:
            runs_on = capture.daemons_at_work()
            finish(outcome)
    if request.nvtx_only and profiling_tool() and not capture.range.has_begun:
        say("no NVTX range was opened, so that nsys may have recorded nothing; see ortprobe doctor, and nsys --whole")
    return replace(outcome, runs_on=runs_on)


def _load_model(path: Path, args: Sequence[str], request: Request) -> Program:
    from ortprobe.capture.runner.model import load_model

    if args:
        raise UsageError(f"{path}: a model takes no arguments, got {' '.join(args)}; options go before the model")
    runs = request.iterations or request.warmup + request.active + request.torch_runs + _UNTRACED_RUNS
    return load_model(path, dims=request.dims, shapes=request.shapes, iterations=runs, provider=request.provider)
