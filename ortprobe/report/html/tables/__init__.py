"""The tables below the timeline, one module a table."""

from ortprobe.report.html.tables.all_tables import build_tables

__all__ = ["build_tables"]
