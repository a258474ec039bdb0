"""Hooks on the calls that suspects are about. All other calls, and those at other lines, go straight through."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ortprobe.bundle.confirmations import Suspect
from ortprobe.capture.confirm.calls import RUNS, TORCH_FUNCTIONS, TORCH_METHODS, HookedCall, same_site
from ortprobe.capture.confirm.trials import Trials
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.imports import ORT_PYTHON, ImportWatcher
from ortprobe.capture.hooks.patches import Patches


class ConfirmHooks:
    """Installed on torch and onnxruntime when the program imports them, which it may never do."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._whats = {what for one in trials.confirmations(ended=False) for what in _whats(one.suspect)}
        self._patches = Patches()
        self._watcher = ImportWatcher()
        self._inside = threading.local()

    def install(self) -> None:
        self._watcher.when_imported(ORT_PYTHON, self._hook_onnxruntime)
        self._watcher.when_imported("torch", self._hook_torch)
        self._watcher.start()

    def restore(self) -> None:
        self._watcher.stop()
        self._patches.restore()

    def _hook_onnxruntime(self, collection: ModuleType) -> None:
        for what in self._whats.intersection(RUNS):
            self._patches.replace(collection.Session, what, self._wrapper(what, lambda: False))

    def _hook_torch(self, torch: ModuleType) -> None:
        is_compiling = torch.compiler.is_compiling
        for what in self._whats.intersection(TORCH_METHODS):
            self._patches.replace(torch.Tensor, what, self._wrapper(what, is_compiling))
        for what in self._whats.intersection(TORCH_FUNCTIONS):
            self._patches.replace(torch, what, self._wrapper(what, is_compiling))

    def _wrapper(
        self, what: str, is_compiling: Callable[[], bool]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        trials, inside, process = self._trials, self._inside, os.getpid()

        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(original)
            def hooked(*args: Any, **kwargs: Any) -> object:
                if is_compiling() or getattr(inside, "call", False):
                    return original(*args, **kwargs)
                site = same_site(call_site())
                if site not in trials.sites or os.getpid() != process:  # not in what the program forks
                    return original(*args, **kwargs)
                inside.call = True  # for a call within this one, and for those that compare
                try:
                    return trials.around(HookedCall(what, original, args, kwargs), site)
                finally:
                    inside.call = False

            return hooked

        return wrap


def _whats(suspect: Suspect) -> tuple[str, str]:
    return suspect.first_what, suspect.second_what
