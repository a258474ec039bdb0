"""Outputs that are the same, nearly the same, and not the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ortprobe.analysis.trials.outputs import SameOutputs, Tolerances, compare_arrays, compare_outputs, tolerances_of
from ortprobe.bundle.trials import OUTPUTS_NAME, SavedOutput, SideName, SideTrial, Trial

NAN, INF = np.nan, np.inf
FLOATS = hnp.arrays(np.float32, hnp.array_shapes(max_side=5), elements=st.floats(width=32))


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@given(FLOATS)
def test_an_output_is_equal_to_itself_bit_for_bit(a: np.ndarray) -> None:
    found = compare_arrays(a, a.copy(), "float32", Tolerances(relative=0, absolute=0))
    assert found.is_bitwise
    assert found.is_close
    assert not found.greatest


@given(FLOATS.filter(lambda a: np.isfinite(a).all() and np.abs(a).max() > 1e-30), st.floats(0.01, 100))
def test_close_is_what_the_tolerance_says(a: np.ndarray, times: float) -> None:
    tolerances = Tolerances(relative=0, absolute=float(np.abs(a).max()) / 100)
    at = np.unravel_index(np.abs(a).argmax(), a.shape)
    b = a.astype(np.float64)
    b[at] -= np.copysign(times * tolerances.absolute, b[at])
    found = compare_arrays(a.astype(np.float64), b, "float64", tolerances)
    assert not found.is_bitwise
    if abs(times - 1) > 0.001:
        assert found.is_close == (times < 1)
    assert found.greatest == pytest.approx(times * tolerances.absolute, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "close", "why"),
    [
        (f32(1, NAN), f32(1, NAN), True, ""),
        (f32(1, INF), f32(1, INF), True, ""),
        (f32(1, NAN), f32(1, 2), False, "NaN or infinity on one side alone"),
        (f32(1, INF), f32(1, -INF), False, "NaN or infinity on one side alone"),
        (f32(1, 1e30), f32(1, INF), False, "NaN or infinity on one side alone"),
        (f32(0.0), f32(-0.0), True, ""),
        (f32(1, 2), f32(1, 2, 3), False, "float32 (2,) on one side, float32 (3,) on the other"),
        (f32(1), np.array([1], np.float64), False, "float32 (1,) on one side, float64 (1,) on the other"),
        (f32(), f32(), True, ""),
        (np.array([True]), np.array([False]), False, ""),
        (np.array([1 << 60]), np.array([(1 << 60) + 1]), False, ""),
        (np.array(["a"]), np.array(["b"]), False, "the texts differ"),
        (f32(1000, 0.1), f32(1000.5, 0.1), True, ""),
        (f32(1000, 0.1), f32(1003, 0.1), False, ""),
    ],
)
def test_special_values(a: np.ndarray, b: np.ndarray, close: bool, why: str) -> None:
    found = compare_arrays(a, b, str(a.dtype), tolerances_of(str(a.dtype), on_cuda=False))
    assert (found.is_close, found.why) == (close, why)


def test_types_with_fewer_bits_are_compared_more_loosely() -> None:
    relative = [tolerances_of(dtype, on_cuda=False).relative for dtype in ("int64", "float64", "float32", "float16")]
    assert relative == sorted(set(relative))
    assert relative[0] == 0
    tf32 = tolerances_of("float32", on_cuda=True).relative
    assert relative[2] < tf32 <= relative[3]


def trial(folder: Path, number: int, **sides: list[np.ndarray]) -> Trial:
    """A process whose sides gave these arrays, each as the output y of a run of its own; with `again` beside."""
    own = folder / str(number)
    own.mkdir()
    arrays, told = {}, {}
    for side, values in sides.items():
        saved = []
        for run, array in enumerate(values):
            arrays[f"{side}{run}"] = array
            saved.append(SavedOutput(key=f"{side}{run}", call=f"0:{run}", name="y", dtype=str(array.dtype)))
        told[side] = SideTrial(outputs=tuple(saved))
    np.savez(own / OUTPUTS_NAME, **arrays)
    names: dict[SideName, SideTrial] = {"A" if side == "a" else "B": each for side, each in told.items()}
    return Trial(folder=str(own), sides=names)


ONES, NEARLY, TWOS = f32(1, 1), f32(1, 1.0005), f32(2, 2)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (ONES, ONES, SameOutputs.BITWISE),
        (ONES, NEARLY, SameOutputs.WITHIN),
        (ONES, TWOS, SameOutputs.DIFFERENT),
    ],
)
def test_sides_of_several_processes(tmp_path: Path, a: np.ndarray, b: np.ndarray, verdict: SameOutputs) -> None:
    trials = [trial(tmp_path, 0, a=[a, a]), trial(tmp_path, 1, b=[b, b]), trial(tmp_path, 2, b=[b, b])]
    found = compare_outputs(trials, on_cuda=False)
    assert (found.verdict, found.compared) == (verdict, 4)


def test_tolerances_can_be_given(tmp_path: Path) -> None:
    trials = [trial(tmp_path, 0, a=[ONES], b=[NEARLY])]
    assert compare_outputs(trials, on_cuda=False, relative=0, absolute=0).verdict is SameOutputs.DIFFERENT
    assert compare_outputs(trials, on_cuda=False, relative=0, absolute=0.1).verdict is SameOutputs.WITHIN


@pytest.mark.parametrize("side", ["a", "b"])
def test_what_differs_from_run_to_run_can_not_be_compared(tmp_path: Path, side: str) -> None:
    other = "b" if side == "a" else "a"
    trials = [trial(tmp_path, 0, **{side: [ONES], other: [ONES]}), trial(tmp_path, 1, **{side: [TWOS], other: [ONES]})]
    assert compare_outputs(trials, on_cuda=False).verdict is SameOutputs.UNSTEADY


def test_nothing_in_common_is_nothing_to_compare(tmp_path: Path) -> None:
    only_a = [trial(tmp_path, 0, a=[ONES])]
    assert compare_outputs(only_a, on_cuda=False).verdict is SameOutputs.UNSEEN
    one = SideTrial(unseen="output 'y': a dict can't be compared")
    found = compare_outputs([Trial(sides={"A": one, "B": one})], on_cuda=False)
    assert (found.verdict, found.why) == (SameOutputs.UNSEEN, "output 'y': a dict can't be compared")
