"""What the raw pointers belong to that a program binds: the torch tensor that it asked for the address."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ortprobe.capture.weak_map import WeakIdentityMap

if TYPE_CHECKING:
    from onnxruntime import IOBinding

_MOST_ORIGINS = 4096

Side = Literal["read", "write"]


class StorageReference(Protocol):
    """A weak reference to the storage of a tensor, which all views of the tensor share."""

    def expired(self) -> bool:
        """Whether the last tensor on the storage is gone, and with it the storage's hold on its memory."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What was seen of the tensor whose address a program asked for."""

    storage: StorageReference | None
    """None where the storage only borrows its memory, which lives on without it: numpy's, or lent through DLPack."""
    contiguous: bool
    dtype: str
    """Element type, as torch names it."""
    size_bytes: int
    """From the address to the end of the storage."""

    @property
    def is_dead(self) -> bool:
        return self.storage is not None and self.storage.expired()


class PointerBook:
    """Where addresses come from, and which of them each IOBinding holds. Keeps no tensor and no binding alive."""

    def __init__(self) -> None:
        self._origins: OrderedDict[int, Origin] = OrderedDict()
        self._bound: WeakIdentityMap[IOBinding, dict[tuple[Side, str], Origin]] = WeakIdentityMap()

    def asked(self, address: int, origin: Origin) -> None:
        """The program asked a tensor for its address; of several tensors at one address the latest counts."""
        with suppress(KeyError):  # another thread was faster
            self._origins[address] = origin
            self._origins.move_to_end(address)
            if len(self._origins) > _MOST_ORIGINS:
                self._origins.popitem(last=False)

    def bound(self, binding: IOBinding, side: Side, buffer: str, address: int) -> Origin | None:
        """The buffer of the binding lies at this address, 0 for one that no raw pointer was given for.

        Returns what the address belongs to; None where that is not known.
        """
        origin = self._origins.get(address)
        if origin is not None:
            self._bound.get_or_make(binding, dict)[side, buffer] = origin
        elif (held := self._bound.get(binding)) is not None:
            held.pop((side, buffer), None)
        return origin

    def cleared(self, binding: IOBinding, side: Side) -> None:
        """The binding has no inputs ("read") or no outputs ("write") any more."""
        held = self._bound.get(binding) or {}
        for key in list(held):
            if key[0] == side:
                held.pop(key, None)

    def dead(self, binding: IOBinding) -> list[str]:
        """The buffers of the binding whose tensors are gone, every view of them included."""
        held = self._bound.get(binding) or {}
        return [buffer for (_, buffer), origin in list(held.items()) if origin.is_dead]
