"""All of the report as text: what happened, what to change, and what nobody knows."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from ortprobe.report.text.details.capture import children_section, missing_section
from ortprobe.report.text.details.devices import devices_section
from ortprobe.report.text.details.findings import findings_section
from ortprobe.report.text.details.nodes import nodes_section
from ortprobe.report.text.details.runs import runs_section
from ortprobe.report.text.details.sessions import sessions_section
from ortprobe.report.text.details.waits import waits_section
from ortprobe.report.text.details.what_ifs import path_section, what_ifs_section
from ortprobe.report.verdict import verdict
from ortprobe.rules import Judgement


def render_details(judgement: Judgement, console: Console) -> None:
    """Print the report. All names come from traces and are printed as they are, never read as markup."""
    analyses = judgement.analyses
    console.print(Text(verdict(judgement), style="bold"))
    sections: list[tuple[str, RenderableType | None]] = [
        ("Findings", findings_section(judgement)),
        ("Sessions", sessions_section(analyses)),
        ("Runs", runs_section(analyses)),
        ("Critical path", path_section(analyses)),
        ("What if", what_ifs_section(analyses)),
        ("Device", devices_section(analyses)),
        ("Nodes", nodes_section(analyses)),
        ("Waits", waits_section(analyses)),
        ("Child processes, each a bundle of its own", children_section(analyses)),
        ("Not captured, not judged", missing_section(judgement)),
    ]
    for title, body in sections:
        if body is not None:
            console.print()
            console.print(Text(title, style="bold underline"))
            console.print(Padding(body, (0, 0, 0, 2)))
    if judgement.findings:
        console.print(Text(f"\nnext: ortprobe explain {judgement.findings[0].code}"))
