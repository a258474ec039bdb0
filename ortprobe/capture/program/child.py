"""A process that a traced program has started, and that is another Python: it records itself."""

from __future__ import annotations

import os
import sys

from ortprobe.bundle import Target
from ortprobe.capture.program.children import ChildOrder, call_at_exit, complete_when_killed, own_folder, uncaught
from ortprobe.capture.tracing import Capture


def record_child(order: ChildOrder) -> None:
    """Record this process from here on as the child it was told to be."""
    folder = own_folder(order)
    capture = Capture(
        folder,
        Target(kind="child", name=f"{order.name}-{folder.name}", argv=tuple(sys.argv)),
        order.settings,
        torch_profiler=order.torch_profiler,
        parent=os.getppid(),
    )
    capture.start()
    call_at_exit(capture, lambda ended: ended.finish(exit_code=None, exception=uncaught()))
    complete_when_killed(capture.finish)
