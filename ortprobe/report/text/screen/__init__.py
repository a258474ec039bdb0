"""The report on one screen, one module a section: what to know before opening anything else."""

from ortprobe.report.text.screen.page import print_lines, render_screen, screen_lines

__all__ = ["print_lines", "render_screen", "screen_lines"]
