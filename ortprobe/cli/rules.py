"""`ortprobe rules`: all rules, by what they are about."""

from __future__ import annotations

from functools import partial

import click


@click.command("rules")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(form: str) -> None:
    """List the rules: code, gravest severity, name, and the problem in one sentence."""
    from ortprobe.report.rule_pages import rules_json, rules_markdown
    from ortprobe.rules import RULES

    if form == "text":
        from rich.console import Console

        from ortprobe.report.text.encoding import print_encodable
        from ortprobe.report.text.rule_pages import print_rules

        print_encodable(Console(), partial(print_rules, RULES))
    else:
        click.echo(rules_json(RULES) if form == "json" else rules_markdown(RULES), nl=False)
