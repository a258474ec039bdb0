"""Names of hooked calls that several analyses know."""

from __future__ import annotations

SESSION_HOOKS = ("set_providers", "InferenceSession")
"""Calls that make a C session."""
OWN_HOOKS = "ortprobe."
"""Start of the names under which the capture records its own work, such as `ortprobe.profiler_start`."""
