"""The report for a terminal: `screen/` is what fits in one, `details/` all there is to say."""

from ortprobe.report.text.details import render_details
from ortprobe.report.text.screen import render_screen

__all__ = ["render_details", "render_screen"]
