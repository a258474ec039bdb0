"""Where the content of memory on the host came from, for as long as that memory is there."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

Origin = Literal["gpu", "run", "binding", "host"]

_MOST_KNOWN = 1024


class HostMemory:
    """What was last put at an address, by whom. Keeps nothing alive: the memory of what is gone is anybody's."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[Origin, Callable[[], bool]]] = OrderedDict()

    def filled(self, address: int, origin: Origin, is_gone: Callable[[], bool]) -> None:
        """Memory that begins at this address was written; `is_gone` tells when its owner has let go of it."""
        with suppress(KeyError):  # another thread was faster
            self._known[address] = origin, is_gone
            self._known.move_to_end(address)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)

    def given(self, array: Any, origin: Origin) -> None:  # noqa: ANN401
        """The program was given this array; anything else than one of numpy is passed over."""
        if hasattr(array, "ctypes") and hasattr(array, "nbytes"):
            reference = weakref.ref(array)
            self.filled(array.ctypes.data, origin, lambda: reference() is None)

    def origin(self, fields: Mapping[str, Any]) -> Origin:
        """Of the memory that a call reads, whose fields are those of a `Call`."""
        known = self._known.get(fields.get("read_address", 0))
        return "host" if known is None or known[1]() else known[0]
