"""`ortprobe nsys`: record the same target with Nsight Systems."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from ortprobe.bundle import NVTX_DOMAIN, PROGRAM_RANGE
from ortprobe.errors import UsageError

EVENT_OPTION = "--cuda-event-trace"
"""Records which event a wait waits for. Nsight Systems 2022.4 and 2023.4 do not know it."""
NSYS_OPTIONS = (
    "-t", "cuda,nvtx",
    f"{EVENT_OPTION}=true",
    "--cuda-graph-trace=node",
    "-s", "none",
    "--cpuctxsw=none",
)  # fmt: skip
RANGE_OPTIONS = (
    "-c", "nvtx",
    "-p", f"{PROGRAM_RANGE}@{NVTX_DOMAIN}",
    "--capture-range-end=stop",  # nsys's own stop-shutdown kills the program with the bundle unfinished
)  # fmt: skip


@click.command(
    "nsys",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    no_args_is_help=True,
)
@click.option("--run", is_flag=True, help="Run it instead of printing it.")
@click.option("--whole", is_flag=True, help="Record the whole process, its imports and its end too.")
@click.option("--name", default="", help="Name of nsys's file; the target's by default.")
@click.argument("target", nargs=-1, type=click.UNPROCESSED, metavar="[TRACE OPTIONS] TARGET [ARGS]...")
@click.pass_context
def command(ctx: click.Context, /, run: bool, whole: bool, name: str, target: tuple[str, ...]) -> None:
    """Print the nsys command line that records TARGET with ortprobe's ranges; TARGET as for ortprobe trace.

    nsys records from the target's first import of onnxruntime or torch to its end: while the range `program` is open.
    nsys and torch's profiler need the same CUPTI subscriber, so torch's profiler is left out.
    """
    if not target:
        raise UsageError("nothing to record: give a target as for ortprobe trace")
    nsys = shutil.which("nsys")
    line = nsys_command(name or name_of(target), target, whole=whole)
    if nsys is not None and not knows(nsys, EVENT_OPTION):
        click.echo("ortprobe: this nsys does not record events of CUDA: waits for them can't be followed", err=True)
        line = [word for word in line if not word.startswith(EVENT_OPTION)]
    if not run:
        click.echo(shlex.join(line))
        return
    if nsys is None:
        raise UsageError("nsys is not on the PATH; install Nsight Systems, or run the printed line where it is")
    ctx.exit(subprocess.run([nsys, *line[1:]], check=False).returncode)


def knows(nsys: str, option: str) -> bool:
    """Whether `nsys profile --help` names an option; what can't be asked is taken to know it."""
    try:
        done = subprocess.run([nsys, "profile", "--help"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 0 or option in done.stdout


def nsys_command(name: str, target: tuple[str, ...], *, whole: bool = False) -> list[str]:
    """`nsys profile … python -m ortprobe trace --nvtx-only --no-report TARGET`, word by word."""
    python = os.path.basename(sys.executable) or "python"
    trace = [python, "-m", "ortprobe", "trace", "--nvtx-only", "--no-report", *target]
    return ["nsys", "profile", *NSYS_OPTIONS, *(() if whole else RANGE_OPTIONS), "-o", name, *trace]


def name_of(target: tuple[str, ...]) -> str:
    """What nsys's file is called: the example's or module's name, else the stem of the first word that is no option."""
    words = iter(target)
    for word in words:
        if word in ("--example", "-m"):
            return next(words, "capture").rpartition(".")[2]
        if not word.startswith("-") and Path(word).suffix:
            return Path(word).stem
    return "capture"
