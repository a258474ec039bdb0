"""Whether the outputs of both sides are the same: bit for bit, within tolerances, or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ortprobe.bundle.trials import OUTPUTS_NAME, SavedOutput, SideName, Trial

Array = NDArray[np.generic]

_RELATIVE: Mapping[str, float] = {"float64": 1e-6, "float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
_RELATIVE_ON_CUDA: Mapping[str, float] = {"float32": 5e-3}
"""Where CUDA computes in TF32, products have 10 bits of mantissa, as those of float16 (`use_tf32`, on by default)."""


class SameOutputs(StrEnum):
    """What comparing has given."""

    BITWISE = "bitwise"
    WITHIN = "within"
    """Within the tolerances."""
    DIFFERENT = "different"
    UNSTEADY = "unsteady"
    """One side's outputs differ from run to run by more than the tolerances, so that the sides can't be compared."""
    UNSEEN = "unseen"
    """There was nothing to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """Two values are close where |b − a| ≤ absolute + relative · |a|."""

    relative: float
    absolute: float | None
    """None: `relative` of the greatest finite |a| of the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDifference:
    """One output of one run, on both sides."""

    name: str
    call: str
    dtype: str
    relative: float
    """The tolerances that it was compared with, as numbers."""
    absolute: float
    is_bitwise: bool
    is_close: bool
    greatest: float | None
    """The greatest |b − a|; None where the shapes or types differ, or nothing is finite on both sides."""
    greatest_relative: float | None
    """The same over |a|, where a is not 0."""
    why: str = ""
    """Why it is not close, where numbers don't say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputComparison:
    """All outputs that both sides kept."""

    verdict: SameOutputs
    compared: int
    """Pairs of outputs."""
    worst: OutputDifference | None
    """The one that is furthest from being the same; None where nothing was compared."""
    why: str = ""
    """Why not all was seen, or anything."""


def compare_outputs(
    trials: Sequence[Trial], *, on_cuda: bool, relative: float | None = None, absolute: float | None = None
) -> OutputComparison:
    """Compare what side B gave in each process with what side A gave first.

    Each side is compared with itself before: where A gives something else each time, or B does, there is no telling.

    Args:
        relative: tolerance for every type; None for those of `tolerances_of`.
        absolute: likewise.
    """
    kept: dict[SideName, list[_Kept]] = {"A": [], "B": []}
    for trial in trials:
        arrays = _arrays(trial)
        for name, side in trial.sides.items():
            kept[name] += [_Kept(saved, arrays, on_cuda) for saved in (side.outputs, side.again) if saved]
    unseen = next((side.unseen for trial in trials for side in trial.sides.values() if side.unseen), "")
    if not kept["A"] or not kept["B"]:
        return OutputComparison(
            verdict=SameOutputs.UNSEEN, compared=0, worst=None, why=unseen or "no run gave an output that was seen"
        )
    given = relative, absolute
    for own in kept.values():
        apart = [each for one in own[1:] for each in _compared(own[0], one, *given)]
        if not all(each.is_close for each in apart):
            return OutputComparison(verdict=SameOutputs.UNSTEADY, compared=len(apart), worst=_worst(apart), why=unseen)
    differences = [each for one in kept["B"] for each in _compared(kept["A"][0], one, *given)]
    if not differences:
        return OutputComparison(
            verdict=SameOutputs.UNSEEN, compared=0, worst=None, why="the two sides made no run in common"
        )
    verdict = SameOutputs.DIFFERENT
    if all(each.is_bitwise for each in differences):
        verdict = SameOutputs.BITWISE
    elif all(each.is_close for each in differences):
        verdict = SameOutputs.WITHIN
    return OutputComparison(verdict=verdict, compared=len(differences), worst=_worst(differences), why=unseen)


def compare_arrays(
    a: Array, b: Array, dtype: str, tolerances: Tolerances, name: str = "", call: str = ""
) -> OutputDifference:
    """Compare two outputs. NaN is NaN's equal, and an infinity its own."""
    absolute = tolerances.absolute
    if absolute is None:
        absolute = tolerances.relative * _scale(a)

    def found(
        *, close: bool, bitwise: bool = False, why: str = "", greatest: tuple[float, float] | None = None
    ) -> OutputDifference:
        return OutputDifference(
            name=name, call=call, dtype=dtype, relative=tolerances.relative, absolute=absolute,
            is_bitwise=bitwise, is_close=close, why=why,
            greatest=None if greatest is None else greatest[0],
            greatest_relative=None if greatest is None else greatest[1],
        )  # fmt: skip

    if a.shape != b.shape or a.dtype != b.dtype:
        return found(close=False, why=f"{a.dtype} {a.shape} on one side, {b.dtype} {b.shape} on the other")
    bitwise = np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()
    if a.dtype.kind not in "fciub":
        return found(close=bitwise, bitwise=bitwise, why="" if bitwise else "the texts differ")
    x, y = _wide(a), _wide(b)
    both = np.isfinite(x) & np.isfinite(y)
    if not (both | (x == y) | (np.isnan(x) & np.isnan(y))).all():
        return found(close=False, why="NaN or infinity on one side alone")
    apart, size = np.abs(y[both] - x[both]), np.abs(x[both])
    if not len(apart):
        return found(close=True, bitwise=bitwise)
    nonzero = size > 0
    shares = apart[nonzero] / size[nonzero]
    greatest = float(apart.max()), float(shares.max()) if len(shares) else 0.0
    exact = not tolerances.relative and not absolute  # int64 beyond 2⁵³ has no exact float64
    close = bitwise if exact and a.dtype.kind in "iub" else bool((apart <= absolute + tolerances.relative * size).all())
    return found(close=close, bitwise=bitwise, greatest=greatest)


def tolerances_of(dtype: str, *, on_cuda: bool) -> Tolerances:
    """By the type's mantissa; integers, booleans and texts are the same or not."""
    relative = _RELATIVE.get(dtype, 0.0)
    if on_cuda:
        relative = _RELATIVE_ON_CUDA.get(dtype, relative)
    return Tolerances(relative=relative, absolute=None)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The outputs of one side in one process."""

    saved: Sequence[SavedOutput]
    arrays: Mapping[str, Array]
    on_cuda: bool


def _compared(
    first: _Kept, second: _Kept, relative: float | None, absolute: float | None
) -> Iterable[OutputDifference]:
    known = {(each.call, each.name): each for each in first.saved}
    for own in second.saved:
        other = known.get((own.call, own.name))
        if other is None or other.key not in first.arrays or own.key not in second.arrays:
            continue
        usual = tolerances_of(other.dtype, on_cuda=first.on_cuda)
        tolerances = Tolerances(relative=usual.relative if relative is None else relative, absolute=absolute)
        yield compare_arrays(
            first.arrays[other.key], second.arrays[own.key], other.dtype, tolerances, own.name, own.call
        )


def _arrays(trial: Trial) -> Mapping[str, Array]:
    path = Path(trial.folder) / OUTPUTS_NAME
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def _worst(differences: Sequence[OutputDifference]) -> OutputDifference | None:
    def badness(each: OutputDifference) -> tuple[bool, bool, float]:
        return not each.is_close, bool(each.why), each.greatest or 0.0

    return max(differences, key=badness, default=None)


def _scale(a: Array) -> float:
    if a.dtype.kind not in "fc" or not a.size:
        return 0.0
    size = np.abs(_wide(a))
    finite = size[np.isfinite(size)]
    return float(finite.max()) if len(finite) else 0.0


def _wide(a: Array) -> NDArray[np.float64] | NDArray[np.complex128]:
    """Flat, with room for differences."""
    flat = a.reshape(-1)
    return flat.astype(np.complex128) if a.dtype.kind == "c" else flat.astype(np.float64)
