"""The calls of the program that suspects are about, and what they gave."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ortprobe.capture.confirm.gpu import loaded_torch

RUNS = ("run", "run_with_iobinding", "run_with_ort_values")
TORCH_METHODS = ("copy_", "to", "cuda", "cpu", "clone", "item", "tolist", "numpy")
TORCH_FUNCTIONS = ("clone",)
AT_ONCE = ("item", "tolist", "numpy")
"""Reads whose result is on the host: what they gave is what is there when they return."""

Content = list[object]
"""What was in buffers, as bytes or numbers that can be compared: two that are equal bit for bit are equal."""


class Untried(Exception):
    """Why a suspect can't be tried, on one line."""


@dataclass(slots=True, eq=False)
class HookedCall:
    """One call of the program at the site of a suspect."""

    what: str
    original: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None

    @property
    def is_run(self) -> bool:
        return self.what in RUNS

    @property
    def session(self) -> Any:  # noqa: ANN401
        return self.args[0]

    @property
    def binding(self) -> Any:  # noqa: ANN401
        return self.args[1] if len(self.args) > 1 else self.kwargs["iobinding"]

    @property
    def source(self) -> Any:  # noqa: ANN401
        """The tensor that a torch call reads."""
        if self.what == "copy_":
            return self.args[1] if len(self.args) > 1 else self.kwargs.get("src", self.kwargs.get("other"))
        return self.args[0] if self.args else self.kwargs["input"]

    def again(self) -> object:
        """Make the same call once more."""
        if self.is_run:
            return self.original(*self.args, **self.kwargs)
        with without_gradients():
            return self.original(*self.args, **self.kwargs)

    def of(self, source: object) -> object:
        """What the call gives for another tensor in place of its source."""
        with without_gradients():
            if self.what == "copy_":
                return loaded_torch().empty_like(self.args[0]).copy_(source)  # type: ignore[union-attr]
            if self.args:
                return self.original(source, *self.args[1:], **self.kwargs)
            return self.original(**{**self.kwargs, "input": source})

    def content(self, result: object) -> Content:
        """What the call has written, given what it returned."""
        if self.what == "run_with_iobinding":
            return content_of(self.binding.get_outputs())
        return content_of(result if isinstance(result, list | tuple) else [result])


def content_of(values: list[Any] | tuple[Any, ...]) -> Content:
    """Copies of arrays, tensors and OrtValues as bytes, with their shapes; other results of calls as they are."""
    return [_content(value) for value in values]


def _content(value: Any) -> object:  # noqa: ANN401
    torch = loaded_torch()
    if torch is not None and isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        return tuple(value.shape), flat.view(torch.uint8).numpy().tobytes()
    if hasattr(value, "data_ptr") and hasattr(value, "numpy"):  # an OrtValue
        value = value.numpy()
    if hasattr(value, "tobytes"):
        return tuple(value.shape), _array_bytes(value)
    if value is None or isinstance(value, bool | int | float | complex | str | list):
        return repr(value)  # NaN is itself here
    raise Untried(f"a {type(value).__name__} can't be compared")


def _array_bytes(array: Any) -> object:  # noqa: ANN401
    return repr(array.tolist()) if array.dtype.hasobject else array.tobytes()


def without_gradients() -> Any:  # noqa: ANN401
    torch = loaded_torch()
    return nullcontext() if torch is None else torch.no_grad()


def same_site(one: str) -> str:
    """A site in the form in which two of the same line are equal, by whichever path the file was found."""
    path, _, line = one.rpartition(":")
    return f"{_real_path(path)}:{line}"


@lru_cache(maxsize=10_000)
def _real_path(path: str) -> str:
    return os.path.realpath(path)
