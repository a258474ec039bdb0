"""`ortprobe verify`: try a change on a model or a program, and say what it gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ortprobe.cli.options import parse_dims, parse_shapes
from ortprobe.cli.outputs import say
from ortprobe.cli.trace import TraceCommand
from ortprobe.errors import UsageError

if TYPE_CHECKING:
    from ortprobe.capture.verify.knobs import Setting
    from ortprobe.cli.trials import TrialRequest

_MODEL_SUFFIX = ".onnx"
_WARMUP_OF_MODEL = 20
_WARMUP_OF_PROGRAM = 3
_NOT_GOOD = 1


@click.command(
    "verify",
    cls=TraceCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    no_args_is_help=True,
)
@click.option(
    "--set",
    "words",
    multiple=True,
    metavar="KEY=VALUE",
    help="The change: an option of the CUDA provider (cudnn_conv_algo_search=HEURISTIC, use_tf32=0, "
    "enable_cuda_graph=1), of the session (graph_optimization_level=basic, intra_op_num_threads=1, "
    "session.intra_op.allow_spinning=0), of its runs (disable_synchronize_execution_providers=1), or for a model how "
    "it is run (stream=own|user, binding=on|off, sync=on|off, graph=on|off).",
)
@click.option(
    "--against", multiple=True, metavar="KEY=VALUE", help="What it is compared with, where that is not the default."
)
@click.option("-m", "module", metavar="MODULE", help="Try it on a module, as python -m runs it.")
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Processes: of a model each runs both sides in turns, of a program there are so many of each side.",
)
@click.option(
    "--iterations",
    type=click.IntRange(1),
    help="Timed runs of a model, of each side in each process, in ten turns; by default as many as two seconds hold.",
)
@click.option(
    "--warmup",
    type=click.IntRange(0),
    help="Runs that are not timed: 20 of a model; of each session of a program 3, whose outputs are compared.",
)
@click.option("--rtol", type=click.FloatRange(0), help="Relative tolerance of outputs; by their type by default.")
@click.option(
    "--atol", type=click.FloatRange(0), help="Absolute tolerance; by default rtol of an output's largest value."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0, min_open=True), default=600, show_default=True,
    help="Seconds after which a process is ended.",
)  # fmt: skip
@click.option("--provider", type=click.Choice(["cuda", "cpu"]), help="Where to run a model.")
@click.option(
    "--shape", "shapes", multiple=True, metavar="INPUT=N,C,…", callback=parse_shapes, help="Shape of a model's input."
)
@click.option(
    "--dim", "dims", multiple=True, metavar="DIM=SIZE", callback=parse_dims, help="Size of a model's free dimension."
)
@click.option(
    "--predicted-from",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="A capture of the target without the change: what its replay predicts is put beside what is measured.",
)
@click.option(
    "--predict",
    is_flag=True,
    help="Trace the target once without the change, and take that for --predicted-from.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.argument("target", nargs=-1, type=click.UNPROCESSED, metavar="TARGET [ARGS]...")
@click.pass_context
def command(ctx: click.Context, /, form: str, **options: Any) -> None:
    """Run TARGET (a script, or a model.onnx) with the change and without it in turn, and compare times and outputs.

    A program runs unchanged: the change is put into its sessions as they are made. Everything after TARGET belongs to
    it.

    Exit code 0: the change makes it faster, or no slower, and the outputs are the same. 1: slower, outputs that differ,
    a target that fails with it, or no telling. 2: wrong usage, or a target that fails without the change.
    """
    request = make_request(**options)
    from rich.console import Console

    from ortprobe.cli.trials import try_change
    from ortprobe.report.text.encoding import write_encodable
    from ortprobe.report.trials.text import trial_text
    from ortprobe.report.trials.trial_json import trial_json

    result = try_change(request, say)
    if form == "json":
        click.echo(trial_json(result).decode(), nl=False)
    else:
        write_encodable(Console(), trial_text(result))
    ctx.exit(0 if result.is_good else _NOT_GOOD)


def make_request(
    target: tuple[str, ...],
    module: str | None,
    words: tuple[str, ...],
    against: tuple[str, ...],
    warmup: int | None,
    rtol: float | None,
    atol: float | None,
    **options: Any,
) -> TrialRequest:
    """Check what can be checked before anything runs.

    Raises:
        UsageError, UnreadableInput: an unknown knob or value, or a target that can't be run.
    """
    from ortprobe.capture.verify.knobs import parse_settings
    from ortprobe.cli.trials import TrialRequest

    if not words:
        raise UsageError("nothing to try: give the change with --set KEY=VALUE")
    is_model = (
        module is None and bool(target) and Path(target[0]).suffix == _MODEL_SUFFIX and not Path(target[0]).is_dir()
    )
    settings = parse_settings("--set", words, for_model=is_model)
    others = parse_settings("--against", against, for_model=is_model)
    _check_sides(settings, others, is_model=is_model)
    common = {"settings": settings, "against": others, "relative": rtol, "absolute": atol, **options}
    if is_model:
        _check_model(target, options["dims"], options["shapes"])
        return TrialRequest(
            kind="model", path=target[0], warmup=_WARMUP_OF_MODEL if warmup is None else warmup, **common
        )
    _check_no_model_options(options)
    common["warmup"] = _WARMUP_OF_PROGRAM if warmup is None else warmup
    return _program(target, module, common)


def _program(target: tuple[str, ...], module: str | None, common: dict[str, Any]) -> TrialRequest:
    from ortprobe.capture.program.program import load_module, load_script
    from ortprobe.cli.trials import TrialRequest

    if module is not None:
        load_module(module, target)
        return TrialRequest(kind="module", path=module, argv=target, **common)
    if not target:
        raise UsageError("nothing to try it on: give a script, a model.onnx or -m MODULE")
    load_script(Path(target[0]), target[1:])
    return TrialRequest(kind="script", path=target[0], argv=target[1:], **common)


def _check_model(target: tuple[str, ...], dims: dict[str, int], shapes: dict[str, tuple[int, ...]]) -> None:
    from ortprobe.capture.runner.model import random_feeds, read_inputs

    if len(target) > 1:
        raise UsageError(f"{target[0]}: a model takes no arguments, got {' '.join(target[1:])}; options go before it")
    random_feeds(read_inputs(Path(target[0])), dims, shapes)


def _check_no_model_options(options: dict[str, Any]) -> None:
    given = {"--iterations": "iterations", "--provider": "provider", "--shape": "shapes", "--dim": "dims"}
    for option, name in given.items():
        if options[name]:
            raise UsageError(f"{option}: is for models; a program says for itself what it runs")


def _check_sides(settings: tuple[Setting, ...], against: tuple[Setting, ...], *, is_model: bool) -> None:
    from ortprobe.capture.verify.knobs import Setting
    from ortprobe.capture.verify.model import DEFAULTS

    defaults = {key: Setting(key, value) for key, value in DEFAULTS.items()} if is_model else {}
    sides = [defaults | {setting.key: setting for setting in side} for side in (against, settings)]
    if sides[0] == sides[1]:
        same = ", ".join(map(str, settings))
        raise UsageError(f"--set {same}: is what it is compared with; say with --against what else to compare it with")
    for side in sides if is_model else ():
        words = {str(setting) for setting in side.values()}
        if {"disable_synchronize_execution_providers=1", "stream=own"} <= words:
            raise UsageError("sync=off: needs stream=user, since nobody else can wait for onnxruntime's own stream")
        if {"binding=off", "enable_cuda_graph=1"} <= words:
            raise UsageError(
                "graph=on: needs binding=on, since a CUDA graph reads and writes the same memory each time"
            )
