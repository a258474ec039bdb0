"""How times spread: least, percentiles, greatest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.timeline import Int64s

FEWEST_FOR_P90 = 10
FEWEST_FOR_P95 = 20
FEWEST_FOR_P99 = 100
"""Of fewer values a percentile is the greatest by another name, so it is not stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of `count` times, in whole nanoseconds. None of nothing, and where there are too few for a percentile."""

    count: int
    min_ns: int | None
    median_ns: int | None
    p90_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    max_ns: int | None


def spread_of(times_ns: Int64s) -> Spread:
    """Percentiles with linear interpolation between neighbours, as numpy's."""
    count = len(times_ns)

    def percentile(share: float, fewest: int) -> int | None:
        return int(np.percentile(times_ns, share)) if count >= fewest else None

    return Spread(
        count=count,
        min_ns=int(times_ns.min()) if count else None,
        median_ns=percentile(50, 1),
        p90_ns=percentile(90, FEWEST_FOR_P90),
        p95_ns=percentile(95, FEWEST_FOR_P95),
        p99_ns=percentile(99, FEWEST_FOR_P99),
        max_ns=int(times_ns.max()) if count else None,
    )


def median_ns(times_ns: Int64s) -> int | None:
    """The median in whole nanoseconds; None of nothing."""
    return int(np.median(times_ns)) if len(times_ns) else None
