"""Memory is known by what was put into it, until its owner lets go of it."""

from __future__ import annotations

import numpy as np

from ortprobe.capture.host_memory import HostMemory


def origin(memory: HostMemory, array: np.ndarray) -> str:
    return memory.origin({"read_address": array.ctypes.data})


def test_an_array_that_was_given_is_known_by_its_views_too() -> None:
    memory, array = HostMemory(), np.zeros(4)
    memory.given(array, "run")
    assert origin(memory, array) == origin(memory, array.reshape(2, 2)) == "run"
    assert origin(memory, array[1:]) == "host"


def test_memory_of_what_is_gone_is_anybodys() -> None:
    memory, gone = HostMemory(), [False]
    memory.filled(4096, "gpu", lambda: gone[0])
    assert memory.origin({"read_address": 4096}) == "gpu"
    gone[0] = True
    assert memory.origin({"read_address": 4096}) == "host"


def test_what_was_put_there_last_counts() -> None:
    memory, array = HostMemory(), np.zeros(4)
    memory.given(array, "run")
    memory.filled(array.ctypes.data, "gpu", lambda: False)
    assert origin(memory, array) == "gpu"


def test_only_the_latest_places_are_known() -> None:
    memory = HostMemory()
    for address in range(1, 5000):
        memory.filled(address, "gpu", lambda: False)
    assert [memory.origin({"read_address": address}) for address in (1, 4999)] == ["host", "gpu"]


def test_what_is_no_array_is_passed_over() -> None:
    memory = HostMemory()
    memory.given({"a": "map"}, "run")
    assert memory.origin({}) == "host"
