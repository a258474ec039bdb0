"""The report as one self-contained HTML page."""

from ortprobe.report.html.page import BUDGET_BYTES, render_html

__all__ = ["BUDGET_BYTES", "render_html"]
