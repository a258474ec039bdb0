"""The page that shows captures from before and after a change: figures side by side, and both on one timeline."""

from ortprobe.report.html.diff.page import render_diff_html

__all__ = ["render_diff_html"]
