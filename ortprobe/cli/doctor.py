"""`ortprobe doctor`: would a capture work here, and what would it contain?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ortprobe.names import printable

if TYPE_CHECKING:
    from rich.console import Console

    from ortprobe.capture.doctor.doctor import Diagnosis

SCHEMA_VERSION = 1
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "not_applicable": "dim"}
_LABELS = {"not_applicable": "n/a"}


@click.command("doctor")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Where captures would go; reports by default.")
@click.pass_context
def command(ctx: click.Context, /, form: str, out: Path | None) -> None:
    """Say whether a capture works here, and what it will contain.

    Tries what a capture needs, each thing in a process of its own: onnxruntime's providers with and without torch,
    torch's profiler, the GPU.

    Exit code 0: a capture here is complete. 1: something would be missing that could be captured here, such as the work
    of a GPU that onnxruntime can't use. No GPU at all is no such thing: what runs on the CPU is then all there is.
    """
    from rich.console import Console

    from ortprobe.capture.doctor.doctor import diagnose
    from ortprobe.capture.doctor.survey import survey
    from ortprobe.report.text.encoding import print_encodable

    with Console(stderr=True).status("trying what a capture needs"):
        diagnosis = diagnose(survey(out or Path("reports")))
    if form == "json":
        click.echo(diagnosis_json(diagnosis), nl=False)
    else:
        print_encodable(Console(), partial(print_diagnosis, diagnosis))
    ctx.exit(0 if diagnosis.complete else 1)


def diagnosis_json(diagnosis: Diagnosis) -> str:
    """The diagnosis for machines, indented, with a final newline.

    `{"schema_version": 1, "complete": bool, "checks": [{"id", "status", "found", "means", "fix"}],
    "contains": [str], "lacks": [{"what", "why"}]}`; `status` is `ok`, `warning`, `problem` or `not_applicable`, `fix`
    is "" where there is nothing to do, and `complete` is false exactly when a check is a `problem`. Ids are stable:
    `python`, `platform`, `numpy`, `onnx`, `nvtx`, `onnxruntime`, `onnxruntime-packages`, `cuda-versions`,
    `provider.NAME` for each provider of this onnxruntime and always `provider.CUDA`, `gpu`, `torch`,
    `torch-profiler`, `cupti`, `sync-events`, `tools`, `kineto`, `nsys`, `disk`.
    """
    import msgspec

    document = {"schema_version": SCHEMA_VERSION, "complete": diagnosis.complete} | msgspec.to_builtins(diagnosis)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print what was found, what to do where something is wrong, and what a capture will and won't contain."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for check in diagnosis.checks:
        style = _STYLES[check.status]
        lines = [check.found, check.means, f"→ {check.fix}"] if check.fix else [check.found]
        body = Text("\n".join(printable(line) for line in lines), overflow="fold")
        table.add_row(Text(_LABELS.get(check.status, check.status), style), Text(check.id), body)
    console.print(table)
    parts = {"A capture here will contain": list(diagnosis.contains)} if diagnosis.contains else {}
    for lack in diagnosis.lacks:
        parts.setdefault(f"It won't contain ({printable(lack.why)})", []).append(lack.what)
    for title, lines in parts.items():
        console.print(Text(f"\n{title}:", "bold"))
        console.print(Padding(Text("\n".join(f"- {line}" for line in lines)), (0, 0, 0, 2)))
    verdict = "complete for what there is here" if diagnosis.complete else "partial: see the problems above"
    console.print(Text(f"\nA capture here is {verdict}.", "bold"))
