"""Hooks on the configuration entries that a program gives to SessionOptions and RunOptions: ORT checks no key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from time import time_ns
from types import ModuleType
from typing import Any

from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.recorder import Recorder

_MOST_KEYS = 256


def hook_option_entries(patches: Patches, recorder: Recorder, options: ModuleType) -> None:
    """Install the hooks on the classes of `onnxruntime.capi.onnxruntime_pybind11_state`.

    Each key is logged when it is first given, whatever else is logged: a service may make RunOptions for each request.
    """
    start_ns = time_ns()
    for class_name, method in (("SessionOptions", "add_session_config_entry"), ("RunOptions", "add_run_config_entry")):
        owner = getattr(options, class_name, None)
        wrap = partial(_wrap, what=method, recorder=recorder)
        if owner is None or not patches.replace(owner, method, wrap):
            recorder.log.lost(f"hook:{method}", f"this onnxruntime has no {class_name}.{method}")
    recorder.log.call("ortprobe.watch_options", start_ns, time_ns())


def _wrap(original: Callable[..., object], what: str, recorder: Recorder) -> Callable[..., object]:
    log, known = recorder.log, set[str]()

    @wraps(original)
    def add_entry(*args: Any, **kwargs: Any) -> object:
        start_ns = time_ns()
        result = original(*args, **kwargs)  # refuses what is no text, so that what comes behind it is
        try:
            if log.enabled and len(args) == 3 and args[1] not in known and len(known) < _MOST_KEYS:
                _, key, value = args
                known.add(key)
                log.call(what, start_ns, time_ns(), site=call_site(), options={str(key): str(value)})
        except Exception as failure:
            log.lost("call:" + what, failure)
        return result

    return add_entry
