"""The list of rules, and what a rule means, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ortprobe.report.rule_pages import threshold_text
from ortprobe.report.text.fix import fix_text
from ortprobe.report.text.styles import SEVERITY_STYLES
from ortprobe.rules import HEADINGS, Rule


def print_rules(rules: Sequence[Rule], console: Console) -> None:
    """Print a line for each rule, by family: code, gravest severity, name, summary."""
    widths = [max(len(text) for text in texts) for texts in zip(*map(_short, rules), strict=True)]
    for family, members in groupby(rules, key=lambda rule: rule.family):
        table = Table.grid(padding=(0, 2))
        for width in widths:
            table.add_column(min_width=width)
        table.add_column(overflow="fold")
        for rule in members:
            code, severity, name = _short(rule)
            table.add_row(
                Text(code, "bold"),
                Text(severity, SEVERITY_STYLES[rule.severity]),
                name,
                Text(rule.documentation.summary),
            )
        console.print(Text(family, "bold underline"))
        console.print(Padding(table, (0, 0, 1, 2), expand=False))
    console.print(Text("ortprobe explain CODE says what one means, how it is known, and what to change."))


def print_explained(rules: Sequence[Rule], console: Console) -> None:
    """Print each rule's documentation with its fix and its thresholds, at the width of the terminal."""
    for number, rule in enumerate(rules):
        if number:
            console.print()
        console.print(_head(rule))
        for heading, field in HEADINGS.items():
            console.print(Text(f"\n{heading}", "bold underline"))
            console.print(_indented(Text(getattr(rule.documentation, field))))
            if field == "evidence":
                for threshold in rule.thresholds:
                    console.print(_indented(Text(f"· {threshold_text(threshold)}", "dim")))
            if field == "fix":
                console.print(_indented(fix_text(rule.fix)))


def _short(rule: Rule) -> tuple[str, str, str]:
    return rule.code, rule.severity.value, rule.name


def _head(rule: Rule) -> Text:
    severity = (f"{rule.code} {rule.severity.value}", SEVERITY_STYLES[rule.severity])
    return Text.assemble(severity, f"  {rule.name}, {rule.family}\n", (rule.documentation.summary, "bold"))


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 2), expand=False)
