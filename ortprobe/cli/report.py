"""`ortprobe report`: analyse a capture, or bare files that somebody recorded without ortprobe, and render it."""

from __future__ import annotations

import os
import re
import webbrowser
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ortprobe.cli.output_files import format_by_ending, refuse_existing, write_output
from ortprobe.errors import UsageError
from ortprobe.units import format_bytes

if TYPE_CHECKING:
    from ortprobe.report.report import Format, Report

_FORMATS: dict[str, Format] = {
    ".html": "html",
    ".json": "json",
    ".md": "markdown",
    ".txt": "details",
    ".pftrace": "perfetto",
    ".trace.json": "chrome",
    ".nvtxt": "nvtxt",
}
_FILES = {form: ending for ending, form in _FORMATS.items() if form in ("html", "perfetto", "chrome", "nvtxt")}
"""What goes to a file also where none is named, and how its name ends."""
_SCREEN: Format = "text"
"""One screen of a terminal. A file that ends in .txt holds all there is to say."""
_TABLES = "parquet"
_CHOICES = (_SCREEN, *_FORMATS.values(), _TABLES)
_NO_VERDICT = 1
_ENDINGS = re.compile(r"(\.(ortprobe|zip|json|pftrace|trace|sqlite|nsys-rep|gz|zst)|@\d+)+$")
"""What the name of a source ends in that is no part of what the capture is called."""


@click.command("report", no_args_is_help=True)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--ort", multiple=True, metavar="FILE[@START_NS]", help="An ONNX Runtime profile; its start is optional.")
@click.option("--torch", multiple=True, metavar="FILE", help="A torch profiler trace.")
@click.option(
    "--nsys", multiple=True, metavar="FILE", help="A recording of Nsight Systems: .sqlite, or .nsys-rep where nsys is."
)
@click.option(
    "--model", "models", multiple=True, metavar="FILE", help="The ONNX model that ran, to name what ORT fused."
)
@click.option("--format", "form", type=click.Choice(_CHOICES), help="By the end of -o if not given; else text.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Output file, or a folder for parquet; text goes to the terminal without it.",
)
@click.option("--force", is_flag=True, help="Overwrite the output if it is already there.")
@click.option(
    "--open", "open_page", is_flag=True, help="Open the page in the browser; makes one without -o and --format."
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Analyse SOURCE, or the files given with --ort, --torch and --nsys.

    SOURCE is a bundle: the folder NAME.ortprobe, or the file NAME.ortprobe.zip that ortprobe pack made of it. Several
    bundles, such as a program's and those of its children (NAME.ortprobe/children/*), or files of several processes of
    one machine, are put on one timeline. With a bundle, --nsys is what Nsight Systems recorded of the same process
    (ortprobe nsys). A .pftrace or .trace.json that this command wrote is a SOURCE, too: it holds all that was read for
    it.

    With -o NODES.nvtxt and --nsys, the executed nodes are written as NVTX ranges in text, with the line for Nsight
    Systems' own ImportNvtxt that puts them into the recording: for its window, since nsys stats does not read them.

    text is one screen; details is all of it as text, and what a file that ends in .txt holds.

    Exit code 1 means that the capture allows no verdict, 2 that it can't be read.
    """
    from ortprobe.report.nvtxt import merge_line
    from ortprobe.report.report import load

    sources: tuple[Path, ...] = options["sources"]
    ort, torch, models = options["ort"], options["torch"], options["models"]
    check_sources(sources, ort, torch, options["nsys"])
    if options["form"] == _TABLES:
        folder = _tables_folder(options["out"], force=options["force"])
        report = load(sources, ort=ort, torch=torch, models=models, nsys=options["nsys"])
        _write_tables(report, folder, force=options["force"])
        ctx.exit(0 if report.judgement.has_verdict else _NO_VERDICT)
    wanted = "html" if options["open_page"] and not options["out"] else _SCREEN
    out, form = _output(options["out"], options["form"], wanted, Path([*sources, *torch, *ort, *options["nsys"]][0]))
    if out is not None:
        refuse_existing(out, force=options["force"])
    report = load(sources, ort=ort, torch=torch, models=models, nsys=options["nsys"])
    if out is None:
        print_report(report, form)
    else:
        content = report.render(form)
        write_output(out, content, force=options["force"])
        click.echo(f"ortprobe: {report.verdict}", err=True)
        click.echo(f"ortprobe: report {out} ({format_bytes(len(content))})", err=True)
        if form == "nvtxt":
            click.echo(f"ortprobe: next: {merge_line(Path(options['nsys'][0]), out)}", err=True)
        if options["open_page"] and form == "html":
            webbrowser.open(out.resolve().as_uri())
    ctx.exit(0 if report.judgement.has_verdict else _NO_VERDICT)


def check_sources(
    sources: Sequence[Path], ort: Sequence[str], torch: Sequence[str], nsys: Sequence[str] = ()
) -> None:  # fmt: skip
    """Say what is wrong with what is to be read, where its kind alone shows it.

    Raises:
        UsageError: nothing to read, both a bundle and files, or no such bundle.
    """
    if not sources and not ort and not torch and not nsys:
        raise UsageError("nothing to report: give a bundle, or files with --ort, --torch and --nsys")
    if sources and (ort or torch):
        raise UsageError(f"{sources[0]}: give either bundles, or bare files with --ort and --torch")
    for source in sources:
        if not source.exists() and not any(parent.is_file() for parent in source.parents):  # a child in a packed bundle
            raise UsageError(f"{source}: is not there; give the bundle that ortprobe trace wrote (NAME.ortprobe)")


def print_report(report: Report, form: Format) -> None:
    """Print to stdout: text in the terminal's own width and colours, anything else as it is."""
    from rich.console import Console

    from ortprobe.report.text import render_details, render_screen
    from ortprobe.report.text.encoding import print_encodable

    renders = {"text": render_screen, "details": render_details}
    if form in renders:
        print_encodable(Console(), partial(renders[form], report.judgement))
    else:
        click.echo(report.render(form).decode(), nl=False)


def _tables_folder(out: Path | None, *, force: bool) -> Path:
    """Where tables go. What would be refused once they are made is refused before it."""
    from ortprobe.report.parquet import check_folder, require_pyarrow

    if out is None:
        raise UsageError("parquet is one file a table: say with -o which folder they go to")
    require_pyarrow()
    check_folder(out, force=force)
    return out


def _write_tables(report: Report, folder: Path, *, force: bool) -> None:
    report.to_parquet(folder, force=force)
    files = [path.stat().st_size for path in folder.iterdir()]
    click.echo(f"ortprobe: {report.verdict}", err=True)
    click.echo(f"ortprobe: tables {folder} ({len(files)} files, {format_bytes(sum(files))})", err=True)


def _output(out: Path | None, form: Format | None, otherwise: Format, source: Path) -> tuple[Path | None, Format]:
    """Where it goes, None for the terminal, and in which format: `otherwise` where neither says it."""
    if out is None:
        form = form or otherwise
        return Path(_name_of(source) + _FILES[form]) if form in _FILES else None, form
    return out, form or format_by_ending(out, _FORMATS)


def _name_of(source: Path) -> str:
    """`app` for `reports/app.ortprobe`, and for `.` in there."""
    return _ENDINGS.sub("", os.path.basename(os.path.abspath(source))) or "capture"
