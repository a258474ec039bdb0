"""Whether two Timelines are the same: every field of every object, every column with its type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import numpy as np

from ortprobe.timeline import Timeline


def differences(one: Timeline, other: Timeline) -> list[str]:
    """Where they differ; empty when they are the same."""
    return list(_differing(one, other, "timeline"))


def _differing(one: object, other: object, place: str) -> Iterator[str]:
    if isinstance(one, np.ndarray):
        is_same = isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
        yield from () if is_same else (place,)
    elif type(one) is not type(other):
        yield f"{place}: {type(one).__name__}, {type(other).__name__}"
    elif is_dataclass(one):
        for field in fields(one):
            yield from _differing(getattr(one, field.name), getattr(other, field.name), f"{place}.{field.name}")
    elif isinstance(one, Mapping):
        yield from _differing(tuple(one.items()), tuple(other.items()), place)
    elif isinstance(one, tuple) and len(one) == len(other):
        for number, (mine, others) in enumerate(zip(one, other, strict=True)):
            yield from _differing(mine, others, f"{place}[{number}]")
    elif one != other:
        yield f"{place}: {one!r}, {other!r}"
