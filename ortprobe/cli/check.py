"""`ortprobe check`: does a capture keep to what is asked of it? For builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ortprobe.cli.budget import BudgetOption
from ortprobe.cli.configuration import origin
from ortprobe.cli.diff import parse_gate
from ortprobe.cli.output_files import format_by_ending, refuse_existing, write_output
from ortprobe.cli.report import check_sources
from ortprobe.errors import UsageError
from ortprobe.names import printable

if TYPE_CHECKING:
    from ortprobe.report.check.subject import Subject
    from ortprobe.rules import Judgement
    from ortprobe.rules.gate.budget import LimitResult
    from ortprobe.rules.gate.check import Check

_FORMATS = ("text", "json", "markdown", "junit", "sarif")
_SUFFIXES = {".txt": "text", ".json": "json", ".md": "markdown", ".xml": "junit", ".sarif": "sarif"}
_FAILS = 1


@click.command("check", no_args_is_help=True)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--ort", multiple=True, metavar="FILE[@START_NS]", help="An ONNX Runtime profile; its start is optional.")
@click.option("--torch", multiple=True, metavar="FILE", help="A torch profiler trace.")
@click.option("--model", "models", multiple=True, metavar="FILE", help="The ONNX model that ran.")
@click.option(
    "--fail-on",
    multiple=True,
    default=("warning",),
    show_default=True,
    metavar="WHAT,…",
    help="Findings that fail: error, warning or info and graver, a rule by code or name, or none.",
)
@click.option("--ignore", multiple=True, metavar="RULE,…", help="Rules whose findings fail nothing, by code or name.")
@click.option(
    "--budget",
    type=BudgetOption(),
    metavar="FILE",
    help="The most that figures may be, as TOML: re_inits = 0, median = '2.5 ms'.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="Another capture, whose counts must not be exceeded.",
)
@click.option(
    "--gate",
    metavar="PERCENT",
    callback=parse_gate,
    help="With --baseline: runs may not be slower by so much or more, such as 5%.",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Of the one output; by the end of -o if not given.")
@click.option(
    "-o",
    "--out",
    "outs",
    multiple=True,
    type=click.Path(path_type=Path),
    help=f"Output file ({', '.join(_SUFFIXES)}), as often as wanted; the text goes to the terminal as well.",
)
@click.option("--force", is_flag=True, help="Overwrite outputs that are already there.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Judge SOURCE, which is read as by ortprobe report: does it keep to what is asked of it?

    Exit code 0: nothing fails. 1: a finding as grave as --fail-on says, a budget exceeded, more of something than in
    the baseline, or no verdict, also where a budget can't be told. 2: wrong usage, or something can't be read.
    """
    from ortprobe.report.check.subject import Subject
    from ortprobe.report.report import load
    from ortprobe.rules.gate.check import check
    from ortprobe.rules.gate.policy import parse_policy

    sources: tuple[Path, ...] = options["sources"]
    check_sources(sources, options["ort"], options["torch"])
    policy = parse_policy(
        options["fail_on"],
        options["ignore"],
        fail_on_from=f"{origin(ctx, 'fail_on')} --fail-on".strip(),
        ignore_from=f"{origin(ctx, 'ignore')} --ignore".strip(),
    )
    if options["gate"] is not None and options["baseline"] is None:
        raise UsageError("--gate: times are compared with those of another capture; give it with --baseline")
    outs = _outputs(options["outs"], options["form"], force=options["force"])
    loaded = load(sources, ort=options["ort"], torch=options["torch"], models=options["models"])
    growth = _growth(loaded.judgement, options["baseline"], options["gate"])
    done = check(loaded.judgement, policy, options["budget"] or (), growth)
    subject = Subject(source=str([*sources, *options["torch"], *options["ort"]][0]), root=Path.cwd())
    _show(done, subject, options["form"] if not outs else None)
    for path, form in outs.items():
        _write(done, subject, path, form, force=options["force"])
    ctx.exit(_FAILS if done.standing.fails else 0)


def _growth(judgement: Judgement, baseline: Path | None, gate: float | None) -> Sequence[LimitResult]:
    if baseline is None:
        return ()
    from ortprobe.analysis.analyses import Analyses
    from ortprobe.ingest import load_bundles
    from ortprobe.rules.gate.baseline import judge_growth, judge_times

    check_sources([baseline], (), ())
    before, source = Analyses(load_bundles([baseline])), str(baseline)
    counts = judge_growth(judgement.analyses, before, source)
    return counts if gate is None else (*counts, judge_times(judgement.analyses, before, source, gate))


def _outputs(outs: Sequence[Path], form: str | None, *, force: bool) -> Mapping[Path, str]:
    """Which format goes where, with everything refused that would be refused once the work is done."""
    if form is not None and len(outs) > 1:
        raise UsageError(f"--format {form}: is of one output, and there are {len(outs)}; end each -o in its format")
    chosen = {}
    for out in outs:
        chosen[out] = form or format_by_ending(out, _SUFFIXES)
        refuse_existing(out, force=force)
    return chosen


def _show(done: Check, subject: Subject, form: str | None) -> None:
    from rich.console import Console

    from ortprobe.report.check.formats import render
    from ortprobe.report.text.encoding import write_encodable

    shown = render(done, subject, form or "text").decode()
    if form in (None, "text"):
        write_encodable(Console(), shown)
    else:
        click.echo(shown, nl=False)


def _write(done: Check, subject: Subject, path: Path, form: str, *, force: bool) -> None:
    from ortprobe.report.check.formats import render

    write_output(path, render(done, subject, form), force=force)
    click.echo(f"ortprobe: {printable(str(path))} ({form})", err=True)
