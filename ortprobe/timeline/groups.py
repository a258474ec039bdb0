"""Rows by value, and sums by group, without a loop over the rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ortprobe.timeline.spans import Int32s, Int64s, UInt8s


def rows_by_value(values: Int32s | Int64s) -> Iterator[tuple[int, Int64s]]:
    """Each distinct value, rising, with the rows that have it, in order."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    borders = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(values) else order
    for rows in np.split(order, borders[1:]) if len(values) else ():
        yield int(values[rows[0]]), rows.astype(np.int64, copy=False)


def sum_by_group(group: Int32s | Int64s | UInt8s, values: Int64s, groups: int) -> Int64s:
    """Shape (groups,): the values of each group summed, in whole numbers (`np.bincount` sums floats)."""
    sums = np.zeros(groups, np.int64)
    np.add.at(sums, group, values)
    return sums
