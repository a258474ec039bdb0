"""Names from traces, models and file systems are hostile data: what they may do to whoever reads them."""

from __future__ import annotations


def printable(text: str) -> str:
    """One line without control characters, so that a name can't move the cursor, colour the terminal or turn text."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
