"""All of the report as text, one module a section."""

from ortprobe.report.text.details.page import render_details

__all__ = ["render_details"]
