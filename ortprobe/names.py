"""Names from traces, models and file systems are hostile data: what they may do to whoever reads them."""

from __future__ import annotations


def printable(text: str) -> str:
    """One line without control characters, so that a name can't move the cursor, colour the terminal or turn text."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def encodable(text: str) -> str:
    """Without halves of surrogate pairs: JSON (`\\ud800`) and paths that are not UTF-8 can hold them, no file can."""
    return text.encode("utf-8", "replace").decode()
