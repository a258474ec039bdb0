"""How times, sizes and ratios are written for people. Everything inside is int64 nanoseconds and bytes."""

from __future__ import annotations

_TIME_STEPS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))
_SIZE_STEPS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
NOT_MEASURED = "not measured"


def format_ns(duration_ns: float | None) -> str:
    """`1_234_567` → `"1.23 ms"`; three significant digits; None is "not measured"."""
    if duration_ns is None:
        return NOT_MEASURED
    for step, unit in _TIME_STEPS:
        if abs(duration_ns) >= step:
            return f"{_three_digits(duration_ns / step)} {unit}"
    return f"{duration_ns:.0f} ns"


def format_bytes(size_bytes: float | None) -> str:
    """`4_816_896` → `"4.59 MiB"`; None is "not measured"."""
    if size_bytes is None:
        return NOT_MEASURED
    for step, unit in _SIZE_STEPS:
        if abs(size_bytes) >= step:
            return f"{_three_digits(size_bytes / step)} {unit}"
    return f"{size_bytes:.0f} B"


def format_ratio(part: float, whole: float) -> str:
    """`format_ratio(1, 8)` → `"12.5 %"`; an empty whole has no ratio and reads "–"."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    decimals = 2 if magnitude < 10 else 1 if magnitude < 100 else 0
    return f"{value:.{decimals}f}"
