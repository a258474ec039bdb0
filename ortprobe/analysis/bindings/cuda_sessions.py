"""Which sessions compute on a GPU."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import NONE, Timeline

CUDA = "CUDAExecutionProvider"


def is_on_cuda(timeline: Timeline, session: int) -> bool:
    """Whether the session says that it has CUDA; not for one that nobody saw."""
    return session != NONE and CUDA in timeline.sessions[session].providers


def cuda_bindings(timeline: Timeline) -> dict[int, int]:
    """Binding → index of its session, for those of sessions on CUDA."""
    hooks = timeline.hooks
    calls = [number for number, name in enumerate(timeline.names) if name == "io_binding"]
    rows = np.isin(hooks.what, calls)
    made = dict(zip(hooks.binding[rows].tolist(), hooks.session[rows].tolist(), strict=True))
    return {binding: session for binding, session in made.items() if is_on_cuda(timeline, session)}
