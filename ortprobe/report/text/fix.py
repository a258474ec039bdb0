"""What to change, for a terminal: the lines as they are, those that come in and those that go in colours."""

from __future__ import annotations

from rich.text import Text

from ortprobe.names import printable
from ortprobe.report.fix_passages import passages

_STYLES = {"+": "green", "-": "red", " ": ""}


def fix_text(fix: str) -> Text:
    """Code stands four columns in, and a change of code has its signs in front: colour is not needed to read it."""
    lines: list[Text] = []
    for passage in passages(fix):
        if passage.diff:
            lines += [Text(printable(f"    {line.sign} {line.text}"), _STYLES[line.sign]) for line in passage.diff]
        else:
            indent = " " * 4 if passage.is_code else ""
            lines += [Text(printable(indent + line)) for line in passage.text.splitlines()]
    return Text("\n").join(lines)
