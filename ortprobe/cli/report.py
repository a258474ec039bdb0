"""`ortprobe report`: analyse a capture, or bare files that somebody recorded without ortprobe, and render it."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ortprobe.errors import OutputExists, UsageError
from ortprobe.units import format_bytes

if TYPE_CHECKING:
    from ortprobe.rules.engine import Judgement

_SUFFIXES = {".html": "html", ".json": "json", ".md": "markdown", ".txt": "text"}
_NO_VERDICT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a report is made of: a bundle, or bare files."""

    bundle: Path | None
    ort: tuple[str, ...]
    torch: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What outputs are called when nobody says."""
        if self.bundle is not None:
            return self.bundle.name.removesuffix(".ortprobe")
        first = Path(self.torch[0] if self.torch else self.ort[0].partition("@")[0])
        return first.name.removesuffix(".gz").removesuffix(".json")


def judge_sources(sources: Sources) -> Judgement:
    """Read, analyse and judge.

    Raises:
        UnreadableInput: a source is missing, damaged, or something else than a trace.
        UsageError: there is no source.
    """
    from ortprobe.analysis.analyses import Analyses
    from ortprobe.ingest import load_bundle, load_files
    from ortprobe.rules.engine import judge

    if sources.bundle is not None:
        timeline = load_bundle(sources.bundle)
    else:
        timeline = load_files(ort=sources.ort, torch=sources.torch)
    return judge(Analyses(timeline))


def write_reports(bundle: Path, html: Path, findings_json: Path, *, force: bool) -> None:
    """What `ortprobe trace` leaves beside a bundle: the page and `findings.json`.

    Raises:
        OutputExists: one of them is already there and `force` is not set.
    """
    judgement = judge_sources(Sources(bundle=bundle, ort=(), torch=()))
    for path, form in ((html, "html"), (findings_json, "json")):
        write_output(path, FORMATS[form](judgement), force=force)


def write_output(path: Path, content: bytes, *, force: bool) -> None:
    """Write one output whole or not at all.

    Raises:
        OutputExists: it is already there and `force` is not set.
        UsageError: it can't be written.
    """
    refuse_existing(path, force=force)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: can't be written ({error.strerror}); choose another with -o") from error


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse an output that is already there, before the work of making it is done."""
    if path.exists() and not force:
        raise OutputExists(f"{path}: already there; choose another with -o, or overwrite it with --force")


@click.command("report", no_args_is_help=True)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--ort", multiple=True, metavar="FILE[@START_NS]", help="An ONNX Runtime profile; its start is optional.")
@click.option("--torch", multiple=True, type=click.Path(path_type=Path), help="A torch profiler trace.")
@click.option("--format", "form", type=click.Choice(["text", "html", "json", "markdown"]), help="By -o if not given.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output file; text goes to the terminal without it.")
@click.option("--force", is_flag=True, help="Overwrite the output if it is already there.")
@click.option("--open", "open_page", is_flag=True, help="Open an HTML report in the browser.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    source: Path | None,
    ort: tuple[str, ...],
    torch: tuple[Path, ...],
    form: str | None,
    out: Path | None,
    force: bool,
    open_page: bool,
) -> None:
    """Analyse SOURCE, a bundle NAME.ortprobe, or the files given with --ort and --torch, which must be of one process.

    Exit code 1 means that the capture allows no verdict, 2 that it can't be read.
    """
    sources = _sources(source, ort, torch)
    form = form or _form_of(out)
    if form == "html" and out is None:
        out = Path(f"{sources.name}.html")
    if out is not None:
        refuse_existing(out, force=force)
    judgement = judge_sources(sources)
    if out is None:
        click.echo(_for_terminal(form, judgement), nl=False)
    else:
        write_output(out, FORMATS[form](judgement), force=force)
        _say_where(out, judgement)
        if open_page and form == "html":
            webbrowser.open(out.resolve().as_uri())
    ctx.exit(0 if judgement.has_verdict else _NO_VERDICT)


def _sources(source: Path | None, ort: Sequence[str], torch: Sequence[Path]) -> Sources:
    if source is not None and (ort or torch):
        raise UsageError(f"{source}: give either a bundle, or bare files with --ort and --torch")
    if source is not None and not source.exists():
        raise UsageError(f"{source}: is not there; give the bundle that `ortprobe trace` wrote (NAME.ortprobe)")
    if source is not None and source.is_file():
        raise UsageError(f"{source}: is no bundle; give an ORT profile with --ort, a torch trace with --torch")
    if source is None and not ort and not torch:
        raise UsageError("nothing to report: give a bundle, or files with --ort and --torch")
    return Sources(bundle=source, ort=tuple(ort), torch=tuple(torch))


def _form_of(out: Path | None) -> str:
    if out is None:
        return "text"
    try:
        return _SUFFIXES[out.suffix]
    except KeyError:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"{out}: no format is known for {out.suffix!r}; end it in {known}, or say --format") from None


def _say_where(out: Path, judgement: Judgement) -> None:
    from ortprobe.report.verdict import verdict

    click.echo(f"ortprobe: {verdict(judgement)}", err=True)
    click.echo(f"ortprobe: report {out} ({format_bytes(out.stat().st_size)})", err=True)


def _for_terminal(form: str, judgement: Judgement) -> str:
    if form != "text":
        return FORMATS[form](judgement).decode()
    from rich.console import Console

    from ortprobe.report.text import render_text

    console = Console()
    with console.capture() as captured:
        render_text(judgement, console)
    return captured.get()


def _html(judgement: Judgement) -> bytes:
    from ortprobe.report.html import render_html

    return render_html(judgement).encode()


def _json(judgement: Judgement) -> bytes:
    from ortprobe.report.findings_json import findings_json

    return findings_json(judgement)


def _markdown(judgement: Judgement) -> bytes:
    from ortprobe.report.markdown import render_markdown

    return render_markdown(judgement).encode()


def _text(judgement: Judgement) -> bytes:
    from io import StringIO

    from rich.console import Console

    from ortprobe.report.text import render_text

    console = Console(file=StringIO(), width=120, no_color=True)
    with console.capture() as captured:
        render_text(judgement, console)
    return captured.get().encode()


FORMATS: dict[str, Callable[[Judgement], bytes]] = {"html": _html, "json": _json, "markdown": _markdown, "text": _text}
