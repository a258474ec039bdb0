"""Columns that grow in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Columns:
    """Arrays of equal length, one for each name, to which chunks of a file are added one after another."""

    def __init__(self, **dtypes: type) -> None:
        self._dtypes = dtypes
        self._parts: dict[str, list[NDArray[Any]]] = {name: [] for name in dtypes}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, **columns: ArrayLike) -> None:
        """A piece of each of the columns."""
        pieces: dict[str, NDArray[Any]] = {
            name: np.asarray(columns[name], dtype) for name, dtype in self._dtypes.items()
        }
        for name, piece in pieces.items():
            self._parts[name].append(piece)
        self._length += len(next(iter(pieces.values())))

    def joined(self, name: str) -> NDArray[Any]:
        """One column, whole. To be asked for once: its pieces are let go of."""
        parts = self._parts.pop(name)
        return np.concatenate(parts) if parts else np.empty(0, self._dtypes[name])

    def all(self) -> dict[str, NDArray[Any]]:
        """All columns, whole; to be asked for once."""
        return {name: self.joined(name) for name in self._dtypes}
