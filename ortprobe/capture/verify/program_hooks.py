"""Hooks that put settings into the sessions of a program, and that keep the outputs of its first runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial, wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.bundle.trials import SavedOutput
from ortprobe.capture.confirm.gpu import Gpu, loaded_torch
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.hooks.imports import ORT_PYTHON, ImportWatcher
from ortprobe.capture.hooks.ort_runs import RUN_OPTIONS_AT
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.verify.knobs import NEW_STREAM, Setting, Where, of_where
from ortprobe.capture.verify.outputs import KeptOutputs
from ortprobe.capture.verify.settings import names_cuda, put_into_for_now, run_options, with_cuda_options
from ortprobe.capture.weak_map import WeakIdentityMap

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_SEEN = ("run", "run_with_iobinding", "run_with_ort_values")
_Run = Callable[..., Any]


class SideHooks:
    """Installed on onnxruntime when the program imports it, inside of the hooks that time its runs.

    Nothing is done in processes that the program forks but what the settings ask for.
    """

    def __init__(self, settings: Sequence[Setting], watched: int, kept: KeptOutputs) -> None:
        self.changed = 0
        """How many C sessions were made with the settings."""
        self.refused = ""
        """What onnxruntime said the first time that it did not make a session."""
        self.unchanged = ""
        """Why the settings were not put into some session."""
        self.outputs: list[SavedOutput] = []
        self._settings = settings
        self._watched = watched
        self._kept = kept
        self._gpu = Gpu(0.0)
        self._runs: WeakIdentityMap[Any, list[int]] = WeakIdentityMap()
        self._sessions = 0
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._streams: list[object] = []
        self._patches, self._watcher = Patches(), ImportWatcher()

    def install(self) -> None:
        self._watcher.when_imported(ORT_PYTHON, self._hook)
        self._watcher.start()

    def restore(self) -> None:
        self._watcher.stop()
        self._patches.restore()

    def _hook(self, collection: ModuleType) -> None:
        self._patches.replace(collection.InferenceSession, "_create_inference_session", self._wrap_create)
        if of_where(self._settings, Where.RUN_ENTRY):
            for name, at in RUN_OPTIONS_AT.items():
                self._patches.replace(collection.Session, name, partial(self._wrap_options, at=at))
        for name in _SEEN:
            self._patches.replace(collection.Session, name, partial(self._wrap_outputs, what=name))

    def _wrap_create(self, original: Callable[..., None]) -> Callable[..., None]:
        cuda = of_where(self._settings, Where.PROVIDER)
        of_session = {**of_where(self._settings, Where.SESSION), **of_where(self._settings, Where.SESSION_ENTRY)}

        @wraps(original)
        def create(
            session: InferenceSession,
            providers: Sequence[Any] | None,
            provider_options: Sequence[Mapping[Any, Any]] | None,
            *args: Any,
            **kwargs: Any,
        ) -> None:
            ours = self._of_cuda(cuda, providers)
            if ours and providers is not None:
                providers, provider_options = with_cuda_options(providers, provider_options, ours)
            given = session._sess_options
            if given is None and of_session:
                from onnxruntime import SessionOptions

                session._sess_options = SessionOptions()
            holding = put_into_for_now(session._sess_options, self._settings) if of_session else nullcontext()
            try:
                with holding:
                    original(session, providers, provider_options, *args, **kwargs)
            except Exception as error:
                self.refused = self.refused or one_line(error)
                if given is None:
                    session._sess_options = None
                raise
            self.changed += bool(ours or of_session)

        return create

    def _of_cuda(self, options: Mapping[str, str], providers: Sequence[Any] | str | None) -> dict[str, str]:
        """What to put into the options of CUDA: nothing where the session does not name it.

        Where a stream is asked for, one is made, and lives as long as the process.
        """
        if not options:
            return {}
        if providers is None or isinstance(providers, str) or not names_cuda(providers):
            self.unchanged = "a session was made that does not name CUDAExecutionProvider"
            return {}
        if options.get("user_compute_stream") != NEW_STREAM:
            return dict(options)
        torch = loaded_torch()
        if torch is None or not torch.cuda.is_available():
            self.unchanged = "a stream is made by torch, which the program had not imported, or which finds no GPU"
            return {}
        stream = torch.cuda.Stream()
        self._streams.append(stream)
        return {**options, "user_compute_stream": str(stream.cuda_stream)}

    def _wrap_options(self, original: _Run, at: int) -> _Run:
        @wraps(original)
        def with_options(session: InferenceSession, *args: Any, **kwargs: Any) -> object:
            if len(args) > at:
                args = (*args[:at], run_options(self._settings, args[at]), *args[at + 1 :])
            else:
                kwargs["run_options"] = run_options(self._settings, kwargs.get("run_options"))
            self.changed = max(self.changed, 1)
            return original(session, *args, **kwargs)

        return with_options

    def _wrap_outputs(self, original: _Run, what: str) -> _Run:
        @wraps(original)
        def watched_run(session: InferenceSession, *args: Any, **kwargs: Any) -> object:
            result = original(session, *args, **kwargs)
            counted = self._runs.get(session)
            if counted is None or counted[1] < self._watched:
                self._note(session, what, args, kwargs, result)
            return result

        return watched_run

    def _note(self, session: Any, what: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: object) -> None:  # noqa: ANN401
        """Keep what a run gave, once the GPU is done. What fails here is no concern of the program's."""
        if os.getpid() != self._process or self._gpu.is_capturing():
            return
        with self._lock:
            counted = self._runs.get(session)
            if counted is None:
                counted = [self._sessions, 0]
                self._runs.set(session, counted)
                self._sessions += 1
            number, run = counted
            counted[1] += 1
        try:
            self._gpu.synchronize()
            self.outputs += self._kept.keep(f"{number}:{run}", _named_outputs(session, what, args, kwargs, result))
        except Exception as error:
            self._kept.unseen = self._kept.unseen or one_line(error)


def _named_outputs(
    session: Any,  # noqa: ANN401
    what: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    result: object,
) -> list[tuple[str, object]]:
    if what == "run_with_iobinding":
        binding = args[0] if args else kwargs["iobinding"]
        return [(f"output {index}", value) for index, value in enumerate(binding.get_outputs())]
    asked = args[0] if args else kwargs.get("output_names")
    names = list(asked) if asked else [node.name for node in session.get_outputs()]
    return list(zip(names, result if isinstance(result, list | tuple) else (), strict=False))
