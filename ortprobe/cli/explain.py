"""`ortprobe explain`: what a finding means, how it is known, and what to change."""

from __future__ import annotations

from functools import partial

import click


@click.command("explain", no_args_is_help=True)
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(codes: tuple[str, ...], form: str) -> None:
    """Say what a rule means, how it is known, when it is wrong, and what to change.

    CODE is the code of a finding (Y1) or the name of its rule (missing_wait_before_run), in any case.
    """
    from ortprobe.report.rule_pages import explained_json, explained_markdown
    from ortprobe.rules import find_rule

    rules = tuple(dict.fromkeys(find_rule(code) for code in codes))
    if form == "text":
        from rich.console import Console

        from ortprobe.report.text.encoding import print_encodable
        from ortprobe.report.text.rule_pages import print_explained

        print_encodable(Console(), partial(print_explained, rules))
    else:
        click.echo(explained_json(rules) if form == "json" else explained_markdown(rules), nl=False)
