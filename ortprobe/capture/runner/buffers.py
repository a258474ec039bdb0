"""The memory a Runner binds: OrtValues on the host, torch tensors on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ortprobe.capture.runner.element_types import element_type
from ortprobe.errors import UsageError

if TYPE_CHECKING:
    import onnxruntime
    import torch

    Array: TypeAlias = npt.NDArray[np.generic] | torch.Tensor

CUDA = "CUDAExecutionProvider"


class Buffers(Protocol):
    """Where the inputs and outputs of one IOBinding live."""

    def bind(self, binding: onnxruntime.IOBinding, feeds: Mapping[str, Array], outputs: Sequence[str]) -> None:
        """Make a buffer for each input, of the feed's shape, bind it, and bind every output under its own name."""

    def copy(self, feeds: Mapping[str, Array]) -> None:
        """Copy feeds into the bound inputs."""

    def order_run(self) -> None:
        """Make sure that a run that starts now finds the copies complete."""

    def clone(self) -> dict[str, Array]:
        """Copies of the outputs, which later runs leave alone."""


class HostBuffers:
    """OrtValues, without torch: on the CPU, or on a GPU whose copies onnxruntime makes and waits for itself."""

    def __init__(self, session: onnxruntime.InferenceSession, device: str, device_id: int) -> None:
        self._device = device
        self._device_id = device_id
        self._types = {node.name: node.type for node in session.get_inputs()}
        self._inputs: dict[str, onnxruntime.OrtValue] = {}
        self._outputs: Sequence[str] = ()
        self._binding: onnxruntime.IOBinding | None = None

    def bind(self, binding: onnxruntime.IOBinding, feeds: Mapping[str, Array], outputs: Sequence[str]) -> None:
        from onnxruntime import OrtValue

        self._binding, self._outputs = binding, outputs
        for name, feed in feeds.items():
            own_copy = self._as_numpy(name, feed).copy()
            value = OrtValue.ortvalue_from_numpy(own_copy, self._device, self._device_id)
            self._inputs[name] = value
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, self._device, self._device_id)

    def copy(self, feeds: Mapping[str, Array]) -> None:
        for name, feed in feeds.items():
            self._inputs[name].update_inplace(self._as_numpy(name, feed))

    def order_run(self) -> None:
        """`update_inplace` returns when the copy is complete (`cudaMemcpy` and a wait, onnxruntime 1.31)."""

    def clone(self) -> dict[str, Array]:
        assert self._binding is not None
        values = self._binding.get_outputs()
        return {name: np.array(value.numpy()) for name, value in zip(self._outputs, values, strict=True)}

    def _as_numpy(self, name: str, feed: Array) -> npt.NDArray[np.generic]:
        found = element_type(self._types[name], name)
        if not found.numpy:
            raise UsageError(f"input {name!r} is {found.torch}, which numpy lacks; run it on a GPU with torch")
        array = feed if isinstance(feed, np.ndarray) else feed.detach().cpu().numpy()
        return np.ascontiguousarray(array, dtype=found.numpy).reshape(array.shape)


class DeviceBuffers:
    """torch tensors on a GPU, with every copy in one stream of their own.

    When onnxruntime runs in that same stream (`user_compute_stream`), the stream orders everything. Otherwise a run
    is preceded by waiting on the host for the copies: onnxruntime's own streams are not ordered with any stream of
    torch (they are non-blocking, onnxruntime 1.31), and a run returns when its outputs are complete.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, device_id: int, stream: torch.cuda.Stream, *, shared: bool
    ) -> None:
        import torch

        self._torch = torch
        self._device_id = device_id
        self._device = torch.device("cuda", device_id)
        self._stream = stream
        self._shared = shared
        self._types = {node.name: element_type(node.type, node.name) for node in session.get_inputs()}
        self._output_nodes = {node.name: node for node in session.get_outputs()}
        self._input_nodes = session.get_inputs()
        self._inputs: dict[str, torch.Tensor] = {}
        self._outputs: dict[str, torch.Tensor | None] = {}
        self._binding: onnxruntime.IOBinding | None = None

    def bind(self, binding: onnxruntime.IOBinding, feeds: Mapping[str, Array], outputs: Sequence[str]) -> None:
        self._binding = binding
        for name, feed in feeds.items():
            tensor = self._make(tuple(feed.shape), self._types[name].torch)
            self._inputs[name] = tensor
            binding.bind_input(name, "cuda", self._device_id, *self._described(tensor, self._types[name].onnx))
        self.copy(feeds)
        sizes = _symbol_sizes(self._input_nodes, self._inputs)
        for name in outputs:
            self._bind_output(binding, name, sizes)

    def copy(self, feeds: Mapping[str, Array]) -> None:
        with self._in_stream():
            for name, feed in feeds.items():
                source = feed if isinstance(feed, self._torch.Tensor) else self._torch.from_numpy(np.asarray(feed))
                if source.is_cuda:
                    source.record_stream(self._stream)
                # From the host the call waits for the copy: the caller may fill its buffer again at once.
                self._inputs[name].copy_(source, non_blocking=source.is_cuda)

    def order_run(self) -> None:
        if not self._shared:
            self._stream.synchronize()

    def clone(self) -> dict[str, Array]:
        assert self._binding is not None
        values = None if all(tensor is not None for tensor in self._outputs.values()) else self._binding.get_outputs()
        clones: dict[str, Array] = {}
        with self._in_stream():
            for index, (name, tensor) in enumerate(self._outputs.items()):
                source = tensor if tensor is not None or values is None else self._torch_view(values[index])
                assert source is not None
                clones[name] = source.clone()
        current = self._torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        for clone in clones.values():
            clone.record_stream(current)  # type: ignore[union-attr]  # all are tensors here
        return clones

    def _bind_output(self, binding: onnxruntime.IOBinding, name: str, sizes: Mapping[str, int]) -> None:
        """A tensor of ours where the shape follows from the inputs; else a buffer that onnxruntime makes."""
        node = self._output_nodes[name]
        shape = tuple(sizes.get(size, -1) if isinstance(size, str) else int(size or -1) for size in node.shape)
        found = element_type(node.type, name)
        if -1 in shape:
            self._outputs[name] = None
            binding.bind_output(name, "cuda", self._device_id)
            return
        tensor = self._make(shape, found.torch)
        self._outputs[name] = tensor
        binding.bind_output(name, "cuda", self._device_id, *self._described(tensor, found.onnx))

    def _make(self, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
        with self._torch.cuda.stream(self._stream):
            return self._torch.empty(shape, dtype=getattr(self._torch, dtype), device=self._device)

    def _described(self, tensor: torch.Tensor, onnx_type: int) -> tuple[Any, tuple[int, ...], int]:
        """Element type, shape and address as `bind_input` and `bind_output` take them; bfloat16 by its number."""
        name = str(tensor.dtype).removeprefix("torch.")
        return (onnx_type if name == "bfloat16" else np.dtype(name)), tuple(tensor.shape), tensor.data_ptr()

    def _torch_view(self, value: onnxruntime.OrtValue) -> torch.Tensor:
        """A tensor over the memory of an OrtValue (DLPack, onnxruntime 1.27), else a copy through the host."""
        if hasattr(value, "__dlpack__"):
            return self._torch.utils.dlpack.from_dlpack(value)
        return self._torch.from_numpy(np.array(value.numpy())).to(self._device)

    @contextmanager
    def _in_stream(self) -> Iterator[None]:
        """Work inside goes into our stream, behind what the caller's stream has been given so far."""
        self._stream.wait_stream(self._torch.cuda.current_stream(self._device))
        with self._torch.cuda.stream(self._stream):
            yield


def make_buffers(session: onnxruntime.InferenceSession, stream: torch.cuda.Stream | None = None) -> Buffers:
    """Buffers where this session computes: on its GPU when it runs on CUDA, else on the host.

    `stream` is a stream that the session was created with; without it, the session's own `user_compute_stream` is
    taken, and a stream of the buffers' own where it has none.
    """
    if CUDA not in session.get_providers():
        return HostBuffers(session, "cpu", 0)
    options = session.get_provider_options().get(CUDA, {})
    device_id = int(options.get("device_id") or 0)
    try:
        import torch
    except ImportError:
        return HostBuffers(session, "cuda", device_id)
    if not torch.cuda.is_available():
        return HostBuffers(session, "cuda", device_id)
    handle = int(options.get("user_compute_stream") or "0", 0) if options.get("has_user_compute_stream") == "1" else 0
    if handle and (stream is None or stream.cuda_stream != handle):
        stream = torch.cuda.ExternalStream(handle, device=torch.device("cuda", device_id))
    if stream is None:
        stream = torch.cuda.Stream(device=device_id)
    return DeviceBuffers(session, device_id, stream, shared=bool(handle))


def _symbol_sizes(nodes: Sequence[onnxruntime.NodeArg], tensors: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """The size of each named free dimension, as the bound inputs have it."""
    sizes: dict[str, int] = {}
    for node in nodes:
        if node.name in tensors:
            for symbol, size in zip(node.shape, tensors[node.name].shape, strict=True):
                if isinstance(symbol, str):
                    sizes[symbol] = int(size)
    return sizes
