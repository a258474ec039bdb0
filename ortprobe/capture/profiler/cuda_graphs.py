"""Whether the program uses CUDA graphs: while one exists, CUPTI must stay where it is.

Detaching CUPTI while a graph lives that was made or launched under it breaks the graph's next launch (CUDA error 719,
and with it the program: CUDA 13.0 on an H100, onnxruntime's `enable_cuda_graph`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from ortprobe.bundle import SessionCreated
from ortprobe.capture.hooks.patches import Patches

_OPTIONS = ("enable_cuda_graph", "trt_cuda_graph_enable", "nv_cuda_graph_enable")
_OWN_RUNTIMES = ("TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")
_OTHER_FRAMEWORKS = ("cupy", "jax", "numba.cuda", "paddle", "pycuda", "tensorflow", "tensorrt", "warp")
"""They can make graphs that no hook of ours sees."""
_GRAPH_IN_USE = re.compile(rb'"cudaGraph(Instantiate|Launch)|"graph id": [1-9]')
"""In a torch trace. cuDNN captures graphs to plan convolutions, which it neither instantiates nor launches."""
_CHUNK_BYTES = 1 << 22
_DETACHES_SAFELY = (12, 6)
"""torch itself goes by this version (torch/profiler/profiler.py, 2.13); tried with CUDA 13.0."""


class CudaGraphs:
    """What is known of CUDA graphs in this process."""

    def __init__(self) -> None:
        self.reason = ""
        """Why there may be graphs; "" while nothing speaks for it."""

    def hook_torch(self, patches: Patches, torch: ModuleType) -> None:
        """See each graph that is made through torch, `torch.compile` included."""

        def wrap(original: Callable[..., object]) -> Callable[..., object]:
            @wraps(original)
            def new_graph(*args: Any, **kwargs: Any) -> object:
                self.reason = "the program makes CUDA graphs with torch"
                return original(*args, **kwargs)

            return new_graph

        if not patches.replace(torch.cuda.CUDAGraph, "__new__", wrap):
            self.reason = "this torch does not say when a CUDA graph is made"
        major, _, minor = str(torch.version.cuda or "0").partition(".")
        if (int(major), int(minor or 0)) < _DETACHES_SAFELY:
            self.reason = f"CUPTI of CUDA {torch.version.cuda} does not come back safely once it was detached"

    def note_session(self, created: SessionCreated) -> None:
        """See sessions that are given a graph to make, or a runtime that makes graphs of its own accord."""
        options = (options for options in created.provider_options.values())
        if any(given.get(name, "0") not in ("0", "") for given in options for name in _OPTIONS):
            self.reason = "a session was created with CUDA graphs on"
        if any(provider in created.providers for provider in _OWN_RUNTIMES):
            self.reason = "TensorRT may make CUDA graphs"

    def note_trace(self, path: Path) -> None:
        """See graphs at work in the trace of a window, whoever made them.

        Raises:
            OSError: the trace can't be read.
        """
        tail = b""
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                if _GRAPH_IN_USE.search(tail + chunk):
                    self.reason = "CUDA graphs were launched while the profiler was attached"
                    return
                tail = chunk[-64:]

    def may_exist(self) -> str:
        """Why there may be graphs; "" when nothing speaks for it."""
        other = next((name for name in _OTHER_FRAMEWORKS if name in sys.modules), "")
        return self.reason or (f"{other} may make CUDA graphs" if other else "")
