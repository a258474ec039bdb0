"""Acting on a module as soon as the program has imported it, and never before.

The order in which a program imports things decides which CUDA libraries it finds: torch lends its own to onnxruntime
when it goes first. A tracer that imported torch for itself would make an onnxruntime work that, without the tracer,
silently computes on the CPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

ORT_PYTHON = "onnxruntime.capi.onnxruntime_inference_collection"
"""Where onnxruntime defines its Python classes; `onnxruntime` itself takes them from there."""
Action = Callable[[ModuleType], None]
_executed: set[str] = set()
"""Modules that are complete although Python still counts them as being imported: their actions are under way."""


class ImportWatcher:
    """Calls actions with modules once they are executed. A finder in `sys.meta_path` from `start` to `stop`."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}

    def when_imported(self, name: str, action: Action) -> None:
        """Call `action(module)`: now when the module is there, right after its import otherwise.

        What the action raises later goes no further, so that the program's import succeeds as it would have.
        """
        module = sys.modules.get(name)
        if module is not None and not _is_initializing(module):
            action(module)
        else:
            self._actions[name] = action

    def start(self) -> None:
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        self._actions.clear()
        with suppress(ValueError):
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec that the finders behind this one give, with a loader that reports when it is through.

        Those before it have been asked already, another watcher among them.
        """
        action = self._actions.get(name)
        if action is None:
            return None
        finders = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :] if self in finders else finders:
            find = getattr(finder, "find_spec", None)
            if find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                self._report_execution(spec, action)
                return spec
        return None

    def _report_execution(self, spec: ModuleSpec, action: Action) -> None:
        loader = spec.loader
        execute = getattr(loader, "exec_module", None)
        if loader is None or execute is None:
            return
        from ortprobe.capture.hooks.patches import (
            as_hook,  # not before: every Python that a program starts has this module
        )

        @as_hook
        def exec_module(module: ModuleType) -> None:
            with suppress(AttributeError):
                del loader.exec_module  # the loader is its own again, and the module keeps it
            execute(module)
            _executed.add(spec.name)
            if self._actions.pop(spec.name, None) is not None:
                with suppress(Exception):
                    action(module)

        with suppress(AttributeError):
            loader.exec_module = exec_module  # type: ignore[method-assign]


def _is_initializing(module: ModuleType) -> bool:
    return module.__name__ not in _executed and bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
