"""Text in SARIF messages."""

from __future__ import annotations

import re

from ortprobe.names import printable

Object = dict[str, object]

_LINK = re.compile(r"[\[\]\\]")
_PLACEHOLDER = re.compile(r"\{(?=\d+\})")


def message(text: str) -> Object:
    """A message that shows this text as it is.

    In a plain message `[…](…)` is a link and `{0}` a placeholder (SARIF 2.1.0, 3.11.5 and 3.11.6), and names from
    traces can hold both.
    """
    lines = "\n".join(printable(line) for line in text.splitlines())
    if "](" in lines:
        lines = _LINK.sub(lambda match: f"\\{match[0]}", lines)
    return {"text": _PLACEHOLDER.sub("{{", lines)}
