"""`ortprobe pack`: one file of a capture, to send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ortprobe.cli.output_files import refuse_existing, whole_output
from ortprobe.errors import UsageError
from ortprobe.names import printable
from ortprobe.units import format_bytes

if TYPE_CHECKING:
    from ortprobe.bundle import BundleFiles
    from ortprobe.bundle.packing import Packing

_ANONYMOUS = "anonymous.ortprobe.zip"


@click.command("pack", no_args_is_help=True)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The packed file; SOURCE.zip by default.")
@click.option("--anonymous", "nameless", is_flag=True, help="Replace names of your model and code by pseudonyms.")
@click.option("--force", is_flag=True, help="Overwrite the packed file if it is already there.")
def command(source: Path, out: Path | None, nameless: bool, force: bool) -> None:
    """Make one file of SOURCE, a bundle NAME.ortprobe, with the bundles of its child processes.

    ortprobe report takes the packed file in place of the bundle. A capture that still runs is packed as far as it got.

    With --anonymous the figures stay, and names go: paths, arguments, files of code (file_1.py:12 stays of a line),
    nodes, inputs and outputs, annotations, threads, messages of errors. Names of GPU kernels, op types, shapes and
    versions stay. The packed file is then anonymous.ortprobe.zip by default.
    """
    from ortprobe.bundle.anonymous import anonymous
    from ortprobe.bundle.reader import files_at, read_manifest

    if source.is_file():
        raise UsageError(f"{source}: is a file; give the bundle that ortprobe trace wrote (NAME.ortprobe)")
    files = files_at(source)
    manifest = read_manifest(files)
    out = out or source.parent / (_ANONYMOUS if nameless else f"{source.resolve().name}.zip")
    refuse_existing(out, force=force)
    if out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out}: lies in the bundle itself; choose another with -o")
    packing = _write(anonymous(files) if nameless else files, out)
    if manifest.ending is None:
        _say("the capture is not complete: its program still runs, or was killed")
    for name in packing.left_out:
        _say(f"left out {name}: no file of a capture, or not readable")
    sizes = f"{format_bytes(out.stat().st_size)}; {packing.files} files, {format_bytes(packing.size_bytes)}"
    _say(f"packed {out} ({sizes})")
    _say(f"next: send it; ortprobe report {out.name} reads it as it is")


def _write(files: BundleFiles, out: Path) -> Packing:
    """Write the packed file whole or not at all."""
    from rich.console import Console

    from ortprobe.bundle.packing import pack

    with Console(stderr=True).status("packing"), whole_output(out) as target:
        return pack(files, target)


def _say(line: str) -> None:
    click.echo(f"ortprobe: {printable(line)}", err=True)
