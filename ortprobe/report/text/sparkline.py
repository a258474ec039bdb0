"""Figures over time as one line of blocks: what is higher is never drawn lower, and what is missing is blank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCKS = "▁▂▃▄▅▆▇█"
MISSING = " "
_TOP = len(BLOCKS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What blocks stand for: the lowest for `low` and what is little above it, the highest for `high` alone."""

    low: float
    high: float
    logarithmic: bool = False


def scale_of(values: Floats) -> Scale | None:
    """From 0 to the greatest value; from the least above 0, logarithmic, where otherwise half of the values would be on
    the lowest block. None without a value."""
    found = values[np.isfinite(values)]
    if not len(found):
        return None
    high = float(found.max())
    if high > _TOP * float(np.median(found)) and (found > 0).any():
        low = float(found[found > 0].min())
        return Scale(low=low, high=high, logarithmic=low < high)
    return Scale(low=0.0, high=high)


def sparkline(values: Floats, scale: Scale) -> str:
    """One block a value; NaN is blank. 0 has the lowest block, `scale.high` and what is above it alone the highest."""
    known = np.isfinite(values)
    levels = np.minimum(_TOP * _fractions(np.where(known, values, scale.low), scale), _TOP - 1).astype(np.int64)
    levels[(values >= scale.high) & (values > 0)] = _TOP
    return "".join(
        BLOCKS[level] if is_known else MISSING for level, is_known in zip(levels.tolist(), known.tolist(), strict=True)
    )


def greatest_by_column(values: Floats, columns: int) -> Floats:
    """The greatest value of each stretch of as many values, one more or less; no more stretches than columns, none of
    them empty. NaN counts nothing, and is what a stretch without a number has."""
    count = min(columns, len(values))
    if not count:
        return np.empty(0, np.float64)
    starts = len(values) * np.arange(count) // count
    return np.asarray(np.fmax.reduceat(values, starts), np.float64)


def _fractions(values: Floats, scale: Scale) -> Floats:
    """Where values lie between low and high, from 0 to 1."""
    inside = np.clip(values, scale.low, max(scale.low, scale.high))
    if scale.logarithmic:
        # A quotient of the two would overflow for a least value near 0.
        above = np.log(inside) - np.log(scale.low)
        return np.asarray(above / (np.log(scale.high) - np.log(scale.low)), np.float64)
    return (inside - scale.low) / (scale.high - scale.low) if scale.high > scale.low else np.zeros(len(values))
