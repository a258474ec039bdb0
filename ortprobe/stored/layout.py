"""What a class is made of, as a number: two versions of ortprobe with the same one for a Timeline lay it out alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import get_args, get_type_hints


@cache
def layout_of(kind: type) -> str:
    """16 hexadecimal digits of all attributes and enumerations in a dataclass, by name, type and value."""
    return hashlib.sha256("\n".join(_lines(kind, set())).encode()).hexdigest()[:16]


def _lines(hint: object, seen: set[object]) -> Iterator[str]:
    """Types as the source writes them: how Python and NumPy print them changes with their versions."""
    for inner in get_args(hint):
        yield from _lines(inner, seen)
    if not isinstance(hint, type) or hint in seen:
        return
    seen.add(hint)
    if issubclass(hint, Enum):
        yield from (f"{hint.__name__}.{member.name} = {member.value}" for member in hint)
    elif is_dataclass(hint):
        yield from (f"{hint.__name__}.{field.name}: {field.type}" for field in fields(hint))
        for inner in get_type_hints(hint, include_extras=True).values():
            yield from _lines(inner, seen)
