"""`ortprobe diff`: what changed from some captures to others, and what makes the difference."""

from __future__ import annotations

import re
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ortprobe.cli.output_files import format_by_ending, refuse_existing, write_output
from ortprobe.cli.report import check_sources
from ortprobe.errors import UsageError
from ortprobe.units import format_bytes

if TYPE_CHECKING:
    from ortprobe.report.diff.diff import Diff, DiffFormat

_FORMATS: dict[str, DiffFormat] = {".html": "html", ".json": "json", ".md": "markdown", ".txt": "text"}
_REGRESSED = 1
_PAGE = Path("diff.html")
_PERCENT = re.compile(r"(?P<number>\d+(\.\d+)?)\s*%")


def parse_gate(_ctx: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """`5%` → 0.05."""
    if value is None:
        return None
    match = _PERCENT.fullmatch(value.strip())
    if match is None or not 0 < float(match["number"]) <= 100:
        raise click.BadParameter(f"{value!r}: write a percentage above 0, for example 5%")
    return float(match["number"]) / 100


@click.command("diff", no_args_is_help=True)
@click.argument("captures", metavar="[BEFORE AFTER]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--before", multiple=True, metavar="BUNDLE", type=click.Path(path_type=Path), help="One more of before.")
@click.option("--after", multiple=True, metavar="BUNDLE", type=click.Path(path_type=Path), help="One more of after.")
@click.option(
    "--gate",
    metavar="PERCENT",
    callback=parse_gate,
    help="The smallest change that counts, such as 5%. Without it, 1 %, and what can be 10 % is no more the same.",
)
@click.option("--model", "models", multiple=True, metavar="FILE", help="The ONNX model that ran, to find nodes again.")
@click.option("--format", "form", type=click.Choice(list(_FORMATS.values())), help="By the end of -o if not given.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Output file; without it a page is diff.html, all else goes to the terminal.",
)
@click.option("--force", is_flag=True, help="Overwrite the output if it is already there.")
@click.option(
    "--open", "open_page", is_flag=True, help="Open the page in the browser; makes one without -o and --format."
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Compare the bundle BEFORE with the bundle AFTER: slower, faster, the same within so much, or no telling. What
    ortprobe report wrote of one for Perfetto or in Chrome's format stands for it.

    Repeats make it surer: trace each side several times, best in turn, and give all of them, with --before and --after.

    Exit code 0 means the same or faster, 1 slower or no telling, 2 that a capture can't be read.
    """
    from ortprobe.analysis.comparison.verdict import ANY_CHANGE, gate_of
    from ortprobe.report.diff.diff import load_diff

    before, after = _sides(options["captures"], options["before"], options["after"])
    out: Path | None = options["out"]
    form = _form(out, options["form"], "html" if options["open_page"] else "text")
    if out is None and form == "html":
        out = _PAGE
    if out is not None:
        refuse_existing(out, force=options["force"])
    gate = ANY_CHANGE if options["gate"] is None else gate_of(options["gate"])
    diff = load_diff(before, after, gate, options["models"])
    if out is None:
        _print(diff, form)
    else:
        content = diff.render(form)
        write_output(out, content, force=options["force"])
        click.echo(f"ortprobe: {diff.verdict}", err=True)
        click.echo(f"ortprobe: comparison {out} ({format_bytes(len(content))})", err=True)
        if options["open_page"] and form == "html":
            webbrowser.open(out.resolve().as_uri())
    ctx.exit(_REGRESSED if diff.regressed else 0)


def _sides(
    captures: tuple[Path, ...], before: tuple[Path, ...], after: tuple[Path, ...]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The bundles of each side."""
    if len(captures) not in (0, 2):
        raise UsageError("give one bundle for before and one for after, and repeats with --before and --after")
    sides = ((*captures[:1], *before), (*captures[1:], *after))
    if not all(sides):
        raise UsageError("nothing to compare: give a bundle for before and one for after")
    for side in sides:
        check_sources(side, (), ())
    return sides


def _form(out: Path | None, form: DiffFormat | None, otherwise: DiffFormat) -> DiffFormat:
    if form is None:
        return otherwise if out is None else format_by_ending(out, _FORMATS)
    return form


def _print(diff: Diff, form: DiffFormat) -> None:
    """To stdout: text in the terminal's own width and colours, anything else as it is."""
    if form != "text":
        click.echo(diff.render(form).decode(), nl=False)
        return
    from rich.console import Console

    from ortprobe.report.diff.diff_text import render_diff_text
    from ortprobe.report.text.encoding import print_encodable

    print_encodable(Console(), partial(render_diff_text, diff.comparison, diff.findings))
