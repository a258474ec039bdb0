"""What a Python that was started by a traced program does first; little, since every one of them does it."""

from __future__ import annotations

import os

from ortprobe.capture.program.parent_variable import PARENT_VARIABLE


def wait_for_onnxruntime() -> None:
    """Have this process recorded once its program imports onnxruntime."""
    order = os.environ.get(PARENT_VARIABLE)
    if not order:
        return
    from ortprobe.capture.hooks.imports import ORT_PYTHON, ImportWatcher

    watcher = ImportWatcher()

    def record(_module: object) -> None:
        import json

        import msgspec

        from ortprobe.capture.program.child import record_child
        from ortprobe.capture.program.children import ChildOrder

        watcher.stop()
        record_child(msgspec.convert(json.loads(order), ChildOrder))

    watcher.when_imported(ORT_PYTHON, record)
    watcher.start()
