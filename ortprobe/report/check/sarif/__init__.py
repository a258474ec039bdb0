"""A check as SARIF 2.1.0, the format in which code hosts take findings and show them at their lines."""

from ortprobe.report.check.sarif.document import render_sarif

__all__ = ["render_sarif"]
