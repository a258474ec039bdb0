"""A name that does not exist, beside the one that was likely meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.5


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or the names there are where none is alike."""
    names = list(known)
    found = get_close_matches(name, names, n=1, cutoff=_ALIKE)
    return f"; did you mean {found[0]}?" if found else f"; there are {', '.join(names)}"
