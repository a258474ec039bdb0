"""Whether the arrays of the host that an IOBinding was given still hold what they held when they were bound.

`bind_cpu_input` copies to the GPU when it is called: what is written into the array later is never seen there.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ortprobe.capture.weak_map import WeakIdentityMap

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import IOBinding

WHOLE_BYTES = 1 << 14
"""Arrays up to this size are compared as a whole, of larger ones as many bytes: 10 and 20 µs."""
_PIECES = 16


class Comparison(StrEnum):
    """How an array compares with itself at its bind; the names of the calls that say so."""

    CHANGED = "input.changed"
    SAME = "input.same"
    SAMPLE_SAME = "input.sample_same"
    """Of a large array: none of the bytes that were looked at has changed."""


@dataclass(frozen=True, slots=True)
class _Held:
    array: weakref.ref[NDArray[Any]]
    checksum: int
    is_whole: bool


class HostInputs:
    """The arrays that bindings were given. Keeps none of them alive, and reads none that is gone."""

    def __init__(self) -> None:
        self._bound: WeakIdentityMap[IOBinding, dict[str, _Held]] = WeakIdentityMap()

    def bound(self, binding: IOBinding, name: str, array: NDArray[Any]) -> None:
        """The input of this name was just bound to an array."""
        taken = _checksum(array)
        if taken is None:
            self.forget(binding, name)
        else:
            self._bound.get_or_make(binding, dict)[name] = _Held(weakref.ref(array), *taken)

    def forget(self, binding: IOBinding, name: str | None = None) -> None:
        """The input was bound to something else; all inputs where no name is given."""
        held = self._bound.get(binding)
        if held is not None:
            for each in [name] if name is not None else list(held):
                held.pop(each, None)

    def compare(self, binding: IOBinding) -> list[tuple[str, Comparison]]:
        """For each input whose array is still there, how it compares."""
        found = []
        for name, held in list((self._bound.get(binding) or {}).items()):
            array = held.array()
            taken = None if array is None else _checksum(array)
            if taken is None:
                continue
            if taken[0] != held.checksum:
                found.append((name, Comparison.CHANGED))
            else:
                found.append((name, Comparison.SAME if held.is_whole else Comparison.SAMPLE_SAME))
        return found


def _checksum(array: NDArray[Any]) -> tuple[int, bool] | None:
    """(checksum, whether it is of all bytes); None for what is no plain array with its elements in one piece."""
    import numpy as np

    if type(array) is not np.ndarray or not array.flags.c_contiguous or array.dtype.hasobject or not array.nbytes:
        return None
    content = array.reshape(-1).view(np.uint8).data
    if array.nbytes <= WHOLE_BYTES:
        return crc32(content), True
    checksum, piece = 0, WHOLE_BYTES // _PIECES
    for number in range(_PIECES):
        start = number * (array.nbytes - piece) // (_PIECES - 1)
        checksum = crc32(content[start : start + piece], checksum)
    return checksum, False
