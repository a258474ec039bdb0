"""Waiting for the GPU, and holding up one of its streams for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.capture.confirm.plan import LONGEST_SPIN_MS

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_CUDA = "CUDAExecutionProvider"
_USUAL_CLOCK_KHZ = 1_500_000
"""Where torch does not tell the clock's rate."""


def loaded_torch() -> ModuleType | None:
    """torch as the program has loaded it, all of it; it is never loaded for the program."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "cuda") and hasattr(torch, "compiler") else None


class Gpu:
    """The GPUs as torch reaches them. Without one there is nothing to wait for, and nothing can be held up."""

    def __init__(self, spin_ms: float) -> None:
        self._spin_ms = min(spin_ms, LONGEST_SPIN_MS)
        self._is_there: bool | None = None
        self._devices: set[int] = set()

    @property
    def is_there(self) -> bool:
        torch = loaded_torch()
        if torch is not None and self._is_there is None:
            self._is_there = bool(torch.cuda.is_available())
        return bool(self._is_there)

    def is_capturing(self) -> bool:
        """Whether a CUDA graph is being captured, or may be: during that nothing may be waited for."""
        torch = loaded_torch()
        try:
            return torch is not None and self.is_there and bool(torch.cuda.is_current_stream_capturing())
        except Exception:
            return True

    def synchronize(self) -> None:
        """Wait for all that was enqueued on the devices met so far."""
        torch = loaded_torch()
        if torch is None or not self.is_there:
            return
        for device in self._devices | {torch.cuda.current_device()}:
            torch.cuda.synchronize(device)

    def hold_up_torch(self, values: Iterable[object]) -> bool:
        """Hold up torch's current stream, of the values' GPU or, for those that are still on the host, the current."""
        torch = loaded_torch()
        if torch is None or not self.is_there or not torch.cuda.is_initialized():
            return False
        device = next((tensor.device.index for tensor in tensors_in(values) if tensor.is_cuda), None)
        if device is None:
            device = torch.cuda.current_device()
        self._devices.add(device)
        with torch.cuda.device(device):
            torch.cuda._sleep(self._cycles(torch, device))
        return True

    def hold_up_session(self, session: InferenceSession) -> bool:
        """Hold up the stream that the program gave to a session; False when the session has one of its own."""
        torch = loaded_torch()
        options = session.get_provider_options().get(_CUDA, {})
        address = int(options.get("user_compute_stream") or 0)
        if torch is None or not self.is_there or options.get("has_user_compute_stream") != "1":
            return False
        device = int(options.get("device_id") or 0)
        self._devices.add(device)
        stream = torch.cuda.ExternalStream(address, device=device)
        with torch.cuda.device(device), torch.cuda.stream(stream):
            torch.cuda._sleep(self._cycles(torch, device))
        return True

    def _cycles(self, torch: ModuleType, device: int) -> int:
        rate_khz = getattr(torch.cuda.get_device_properties(device), "clock_rate", 0) or _USUAL_CLOCK_KHZ
        return int(self._spin_ms * rate_khz)


def tensors_in(values: Iterable[object]) -> Iterator[Any]:
    """torch's tensors among values, those in lists and dicts too, one level deep."""
    torch = loaded_torch()
    if torch is None:
        return
    for value in values:
        inner: Iterable[object] = (value,)
        if isinstance(value, Mapping):
            inner = value.values()
        elif isinstance(value, list | tuple):
            inner = value
        yield from (each for each in inner if isinstance(each, torch.Tensor))
