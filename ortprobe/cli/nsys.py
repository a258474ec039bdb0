"""`ortprobe nsys`: record the same target with Nsight Systems."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from ortprobe.errors import UsageError

NSYS_OPTIONS = (
    "-t", "cuda,nvtx",
    "--cuda-event-trace=true",  # which event a wait waits for
    "--cuda-graph-trace=node",
    "-s", "none",
    "--cpuctxsw=none",
)  # fmt: skip


@click.command(
    "nsys",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    no_args_is_help=True,
)
@click.option("--run", is_flag=True, help="Run it instead of printing it.")
@click.option("--name", default="", help="Name of nsys's file; the target's by default.")
@click.argument("target", nargs=-1, type=click.UNPROCESSED, metavar="[TRACE OPTIONS] TARGET [ARGS]...")
@click.pass_context
def command(ctx: click.Context, /, run: bool, name: str, target: tuple[str, ...]) -> None:
    """Print the nsys command line that records TARGET with ortprobe's ranges; TARGET as for ortprobe trace.

    nsys and torch's profiler need the same CUPTI subscriber, so torch's profiler is left out.
    """
    if not target:
        raise UsageError("nothing to record: give a target as for ortprobe trace")
    line = nsys_command(name or name_of(target), target)
    if not run:
        click.echo(shlex.join(line))
        return
    nsys = shutil.which("nsys")
    if nsys is None:
        raise UsageError("nsys is not on the PATH; install Nsight Systems, or run the printed line where it is")
    ctx.exit(subprocess.run([nsys, *line[1:]], check=False).returncode)


def nsys_command(name: str, target: tuple[str, ...]) -> list[str]:
    """`nsys profile … python -m ortprobe trace --nvtx-only --no-report TARGET`, word by word."""
    python = os.path.basename(sys.executable) or "python"
    trace = [python, "-m", "ortprobe", "trace", "--nvtx-only", "--no-report", *target]
    return ["nsys", "profile", *NSYS_OPTIONS, "-o", name, *trace]


def name_of(target: tuple[str, ...]) -> str:
    """What nsys's file is called: the example's or module's name, else the stem of the first word that is no option."""
    words = iter(target)
    for word in words:
        if word in ("--example", "-m"):
            return next(words, "capture").rpartition(".")[2]
        if not word.startswith("-") and Path(word).suffix:
            return Path(word).stem
    return "capture"
