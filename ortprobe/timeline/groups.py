"""Rows by value: one sort, however many values there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ortprobe.timeline.spans import Int32s, Int64s


def rows_by_value(values: Int32s | Int64s) -> Iterator[tuple[int, Int64s]]:
    """Each distinct value, rising, with the rows that have it, in order."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    borders = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(values) else order
    for rows in np.split(order, borders[1:]) if len(values) else ():
        yield int(values[rows[0]]), rows.astype(np.int64, copy=False)
