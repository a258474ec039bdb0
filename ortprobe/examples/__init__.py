"""Small programs with one known fault each, and a healthy one: `ortprobe trace --example NAME`.

Each is a program as a user would write it and runs by itself: `python -m ortprobe.examples.missing_wait`.
"""

from __future__ import annotations

EXAMPLES = ("missing_wait", "set_providers", "healthy")


def example_names() -> tuple[str, ...]:
    """The examples' names on the command line."""
    return tuple(name.replace("_", "-") for name in EXAMPLES)
