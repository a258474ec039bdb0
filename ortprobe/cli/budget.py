"""The option that takes a budget: the path of a TOML file, or the table itself where it stands in a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ortprobe.cli.configuration import TableOption, read_toml

if TYPE_CHECKING:
    from ortprobe.rules.gate.budget import Limit


class BudgetOption(TableOption):
    """Converts to a tuple of `Limit`."""

    name = "budget"

    def convert(
        self,
        value: str | tuple[Limit, ...],
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> tuple[Limit, ...]:
        return value if isinstance(value, tuple) else self.from_table(read_toml(Path(value)), value)

    def from_table(self, table: Mapping[str, object], source: str) -> tuple[Limit, ...]:
        from ortprobe.rules.gate.budget import parse_budget

        return parse_budget(table, source)
