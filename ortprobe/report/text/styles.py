"""Colours of severities in a terminal. The word stands beside each: colour is not needed to read it."""

from __future__ import annotations

from collections.abc import Mapping

from ortprobe.rules import Severity

SEVERITY_STYLES: Mapping[Severity, str] = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFO: "cyan",
}
