"""A trial for a terminal, in plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ortprobe.analysis.trials.result import TrialResult
from ortprobe.bundle.trials import SideName
from ortprobe.names import printable
from ortprobe.report.trials.wording import (
    caution_text,
    measured_text,
    outputs_text,
    prediction_text,
    side_text,
    verdict_text,
    where_text,
)
from ortprobe.units import format_ns

_SIDES: tuple[SideName, SideName] = ("A", "B")
_INDENT = "  "


def trial_text(result: TrialResult) -> str:
    """The verdict first, then what it rests on; ends with a newline."""
    a, b = (side_text(result, side) for side in _SIDES)
    lines = [f"{result.target}: {b}, against {a}", verdict_text(result), ""]
    lines += [_INDENT + line for line in _aligned(list(_sides(result)))]
    facts = [
        ("a run:", measured_text(result)),
        ("outputs:", "" if result.failure else outputs_text(result.outputs)),
        ("but:", caution_text(result)),
        ("predicted:", prediction_text(result)),
        ("on:", where_text(result)),
    ]
    lines += ["", *(_INDENT + line for line in _aligned([fact for fact in facts if fact[1]]))]
    return "".join(f"{printable(line)}\n" for line in lines)


def _sides(result: TrialResult) -> Iterator[tuple[str, ...]]:
    is_program = result.kind != "model"
    yield ("", "", "a run", "session made in", "first run", *(("whole program",) if is_program else ()))
    runs = (None, None) if result.saving is None else (result.saving.a_ns, result.saving.b_ns)
    for side, run_ns in zip(_SIDES, runs, strict=True):
        facts = result.sides[side]
        times = [run_ns, facts.creation_ns, facts.first_run_ns, *((facts.took_ns,) if is_program else ())]
        yield (side, side_text(result, side), *(format_ns(time_ns) for time_ns in times))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns one under the other, two blanks apart."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
