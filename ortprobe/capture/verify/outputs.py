"""Keeping the outputs of runs, so that those of the two sides can be compared once all has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ortprobe.bundle.trials import OUTPUTS_NAME, SavedOutput
from ortprobe.capture.confirm.gpu import loaded_torch

MOST_BYTES = 256 << 20
"""Of all outputs of one process; what comes after is not kept."""
Arrays = npt.NDArray[np.generic]


class KeptOutputs:
    """Copies on the host, and why some are not there."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.unseen = ""
        self._left_bytes = most_bytes
        self._arrays: dict[str, Arrays] = {}

    def keep(self, call: str, outputs: Iterable[tuple[str, object]]) -> tuple[SavedOutput, ...]:
        """Keep outputs of one run, by name; those that are no arrays are left out, and `unseen` says so."""
        kept = []
        for name, value in outputs:
            try:
                array, dtype = _on_host(value)
            except Exception as error:
                self.unseen = self.unseen or f"output {name!r}: {error}"
                continue
            if array.nbytes > self._left_bytes:
                self.unseen = self.unseen or "the outputs are too large for all of them to be kept"
                continue
            self._left_bytes -= array.nbytes
            key = f"o{len(self._arrays)}"
            self._arrays[key] = array
            kept.append(SavedOutput(key=key, call=call, name=name, dtype=dtype))
        return tuple(kept)

    def save(self, folder: Path) -> None:
        """Write them all into one file."""
        if self._arrays:
            save: Callable[..., None] = np.savez
            save(folder / OUTPUTS_NAME, **self._arrays)


def _on_host(value: Any) -> tuple[Arrays, str]:  # noqa: ANN401 - a tensor, an OrtValue, an array
    torch = loaded_torch()
    if torch is not None and isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        tensor = value.detach().cpu()
        return np.array((tensor.float() if dtype == "bfloat16" else tensor).numpy()), dtype
    if hasattr(value, "data_ptr") and hasattr(value, "numpy"):  # an OrtValue
        value = value.numpy()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__} can't be compared")
    if value.dtype.hasobject:
        value = np.array(value.tolist(), dtype=np.str_)
    return np.array(value), str(value.dtype)
