"""Arrays of the host are compared with what they held when they were bound, without being kept alive."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from ortprobe.capture.host_inputs import WHOLE_BYTES, Comparison, HostInputs


class Binding:
    """Stands for an IOBinding, of which nothing is asked."""


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.bool_, "datetime64[ns]"])
def test_a_small_array_is_compared_as_a_whole(dtype: str) -> None:
    inputs, binding, array = HostInputs(), Binding(), np.zeros((3, 5), dtype)
    inputs.bound(binding, "x", array)
    assert inputs.compare(binding) == [("x", Comparison.SAME)]
    array[2, 4] = 1
    assert inputs.compare(binding) == [("x", Comparison.CHANGED)]


@pytest.mark.parametrize("position", [0, -1])
def test_the_ends_of_a_large_array_are_among_the_bytes_that_are_compared(position: int) -> None:
    inputs, binding, array = HostInputs(), Binding(), np.zeros(WHOLE_BYTES, np.float32)
    inputs.bound(binding, "x", array)
    assert inputs.compare(binding) == [("x", Comparison.SAMPLE_SAME)]
    array.view(np.uint8)[position] = 1
    assert inputs.compare(binding) == [("x", Comparison.CHANGED)]


def test_an_array_that_is_gone_is_not_compared() -> None:
    inputs, binding, array = HostInputs(), Binding(), np.zeros(3)
    inputs.bound(binding, "x", array)
    watched = weakref.ref(array)
    del array
    assert watched() is None
    assert inputs.compare(binding) == []


def test_an_input_bound_to_something_else_is_not_compared() -> None:
    inputs, binding = HostInputs(), Binding()
    arrays = {name: np.zeros(3) for name in ("x", "y", "z")}
    for name, array in arrays.items():
        inputs.bound(binding, name, array)
    inputs.forget(binding, "x")
    inputs.bound(binding, "y", np.zeros((4, 4)).T[:, 1:])  # not in one piece
    assert [name for name, _ in inputs.compare(binding)] == ["z"]
    inputs.forget(binding)
    assert inputs.compare(binding) == []
