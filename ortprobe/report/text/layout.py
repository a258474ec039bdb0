"""Tables for a terminal: no frames, names on the left, figures on the right."""

from __future__ import annotations

from rich.table import Table


def table_of(*columns: str, right_from: int) -> Table:
    """An empty table whose columns are figures from position `right_from` on."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position >= right_from else "left", overflow="fold")
    return table
