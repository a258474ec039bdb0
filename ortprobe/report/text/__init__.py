"""The report for a terminal, one module a section."""

from ortprobe.report.text.page import render_text

__all__ = ["render_text"]
