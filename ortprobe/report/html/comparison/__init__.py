"""The page that shows captures from before and after a change: figures side by side, and both on one timeline."""

from ortprobe.report.html.comparison.page import render_comparison

__all__ = ["render_comparison"]
