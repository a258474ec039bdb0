"""Text for a terminal that can't show all of it: blocks become ASCII, and what has no likeness a question mark."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from ortprobe.report.text.bars import FILLS, REST
from ortprobe.report.text.sparkline import BLOCKS

_BLOCKS = str.maketrans(
    {
        **dict(zip(BLOCKS, ".,:-=+*#", strict=True)),
        **dict.fromkeys("▏▎▍▌", "|"),
        **dict.fromkeys("▋▊▉", "#"),
        **dict(zip(FILLS, "#=+-", strict=True)),
        REST: ".",
    }
)
_LIKE = str.maketrans({"µ": "u", "…": "~", "–": "-", "—": "-", "−": "-", "×": "x", "→": ">", "’": "'", "·": "."})


def print_encodable(console: Console, render: Callable[[Console], None]) -> None:
    """Print what `render` prints, in what the console's encoding has."""
    with console.capture() as held:
        render(console)
    write_encodable(console, held.get())


def write_encodable(console: Console, text: str) -> None:
    """Write text as it is, neither wrapped nor coloured, in what the console's encoding has."""
    console.file.write(encodable(text, console.encoding))
    console.file.flush()


def encodable(text: str, encoding: str) -> str:
    """The text as this encoding can have it, each character in the cells it had where it is one cell wide.

    Blocks are kept together: where one of them can't be encoded none is used, so that all keep their order.
    """
    if _has(encoding, text):
        return text
    without_blocks = text if _has(encoding, "".join(map(chr, _BLOCKS))) else text.translate(_BLOCKS)
    return "".join(
        char if _has(encoding, char) else char.translate(_LIKE) if _has(encoding, char.translate(_LIKE)) else "?"
        for char in without_blocks
    )


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
