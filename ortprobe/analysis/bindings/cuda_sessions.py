"""Which sessions compute on a GPU."""

from __future__ import annotations

from ortprobe.timeline import NONE, Timeline

CUDA = "CUDAExecutionProvider"


def is_on_cuda(timeline: Timeline, session: int) -> bool:
    """Whether the session says that it has CUDA; not for one that nobody saw."""
    return session != NONE and CUDA in timeline.sessions[session].providers


def cuda_bindings(timeline: Timeline) -> dict[int, int]:
    """Binding → index of its session, for those of sessions on CUDA."""
    hooks, names = timeline.hooks, timeline.names
    rows = [row for row in range(len(hooks.span)) if names[hooks.what[row]] == "io_binding"]
    made = {int(hooks.binding[row]): int(hooks.session[row]) for row in rows}
    return {binding: session for binding, session in made.items() if is_on_cuda(timeline, session)}
