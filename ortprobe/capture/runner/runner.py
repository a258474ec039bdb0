"""The four steps of inference beside torch, each under its own name: bind, copy, run, clone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import TYPE_CHECKING, Any

from ortprobe.capture.hook_log import one_line
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.nvtx_iterations import in_thread
from ortprobe.capture.hooks.nvtx_ranges import Category, range_functions
from ortprobe.capture.recorder import current_recorder
from ortprobe.capture.runner.buffers import CUDA, make_buffers
from ortprobe.errors import UsageError

if TYPE_CHECKING:
    import onnxruntime
    import torch

    from ortprobe.capture.runner.buffers import Array


class Runner:
    """Runs a session on buffers that are bound once: on its GPU, in one stream, when it computes on CUDA.

    >>> runner = Runner(session)
    >>> outputs = runner({"x": batch})          # copy, run, clone; binds at first and when a shape changes

    or step by step, each step an NVTX range (domain `ortprobe`) and, during a capture, a record:

    >>> runner.bind({"x": batch})
    >>> runner.copy({"x": batch})
    >>> runner.run()
    >>> outputs = runner.clone()

    Feeds are numpy arrays or torch tensors. Outputs are numpy arrays, or torch tensors on the session's GPU that are
    ready for torch's current stream. Copies and clones go into one stream that is not the default stream. A session
    created with `user_compute_stream` has them in that stream and nothing waits; `Runner.open` makes such a session.
    With any other session each run is preceded by a wait for the copies. One Runner serves one thread at a time.
    `run_options` are given to each run.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        *,
        stream: torch.cuda.Stream | None = None,
        run_options: onnxruntime.RunOptions | None = None,
    ) -> None:
        self.session = session
        self._options = () if run_options is None else (run_options,)
        self._stream = stream  # keeps a stream alive that the session uses by its handle
        self._buffers = make_buffers(session, stream)
        self._binding: onnxruntime.IOBinding | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._input_names = {node.name for node in session.get_inputs()}

    @classmethod
    def open(
        cls,
        model: str | os.PathLike[str],
        *,
        provider: str | None = None,
        session_options: onnxruntime.SessionOptions | None = None,
        cuda_options: Mapping[str, str] | None = None,
    ) -> Runner:
        """Load a model into a session that shares one CUDA stream with this Runner.

        Args:
            provider: `cuda`, `cpu`, or None for CUDA where onnxruntime and torch both have it.
            cuda_options: further options of the CUDA execution provider.

        Raises:
            UsageError: `cuda` was asked for and can't be had, or the provider has another name.
        """
        import onnxruntime

        if provider not in (None, "cuda", "cpu"):
            raise UsageError(f"provider {provider!r}: choose cuda or cpu")
        problem = cuda_problem()
        if provider == "cuda" and problem:
            raise UsageError(f"can't run on CUDA: {problem}")
        if provider == "cpu" or problem:
            return cls(onnxruntime.InferenceSession(model, session_options, providers=["CPUExecutionProvider"]))
        import torch

        if hasattr(onnxruntime, "preload_dlls"):  # onnxruntime 1.21
            onnxruntime.preload_dlls()
        stream = torch.cuda.Stream()
        options = {**(cuda_options or {}), "user_compute_stream": str(stream.cuda_stream)}
        session = onnxruntime.InferenceSession(
            model, session_options, providers=[(CUDA, options), "CPUExecutionProvider"]
        )
        return cls(session, stream=stream)

    @property
    def device(self) -> str:
        """`cuda` or `cpu`: where the session computes."""
        return "cuda" if CUDA in self.session.get_providers() else "cpu"

    def bind(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> None:
        """Make a buffer for each feed and bind it; bind `outputs`, by default all of them, each under its own name.

        The feeds are copied into the buffers. Symbolic output shapes are taken from the inputs' where they can be.

        Raises:
            UsageError: an input is missing, has no such name, or is no tensor of numbers.
        """
        self._check(feeds)
        names = [node.name for node in self.session.get_outputs()] if outputs is None else list(outputs)
        for node in self.session.get_outputs():
            if node.name in names and not node.type.startswith("tensor("):
                raise UsageError(f"output {node.name!r} is a {node.type}: only tensors can be bound; leave it out")
        with self._step("bind"):
            self._binding = self.session.io_binding()
            self._buffers = make_buffers(self.session, self._stream)
            self._buffers.bind(self._binding, feeds, names)
            self._shapes = {name: tuple(feed.shape) for name, feed in feeds.items()}

    def copy(self, feeds: Mapping[str, Array]) -> None:
        """Copy feeds into the bound inputs. Their shapes must be those that were bound."""
        self._bound()
        for name, feed in feeds.items():
            if self._shapes.get(name) != tuple(feed.shape):
                bound = self._shapes.get(name, "nothing")
                raise UsageError(f"input {name!r}: is bound to {bound}, got {tuple(feed.shape)}; call bind again")
        with self._step("copy"):
            self._buffers.copy(feeds)

    def run(self) -> None:
        """Run the session on the bound buffers. The outputs are complete when it returns, unless `run_options` say
        that onnxruntime is not to wait; in a stream that is shared, clones come behind them all the same."""
        binding = self._bound()
        with self._step("run"):
            self._buffers.order_run()
            self.session.run_with_iobinding(binding, *self._options)

    def clone(self) -> dict[str, Array]:
        """Copies of the outputs by name, which no later run overwrites."""
        self._bound()
        with self._step("clone"):
            return self._buffers.clone()

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Copy, run, clone: one NVTX range `iteration`. Binds at the first call and whenever a shape changes."""
        with in_thread.iteration():
            if self._binding is None or self._shapes != {name: tuple(feed.shape) for name, feed in feeds.items()}:
                self.bind(feeds)
            else:
                self.copy(feeds)
            self.run()
            return self.clone()

    def _bound(self) -> onnxruntime.IOBinding:
        if self._binding is None:
            raise UsageError("nothing is bound yet: call bind(feeds) first, or the Runner itself with the feeds")
        return self._binding

    def _check(self, feeds: Mapping[str, Array]) -> None:
        missing, unknown = self._input_names - feeds.keys(), feeds.keys() - self._input_names
        if missing or unknown:
            wrong = f"missing: {sorted(missing)}" if missing else f"unknown: {sorted(unknown)}"
            raise UsageError(f"feeds don't match the model's inputs {sorted(self._input_names)}; {wrong}")

    @contextmanager
    def _step(self, name: Category) -> Iterator[None]:
        """An NVTX range, and a record when a capture is under way."""
        recorder = current_recorder()
        site = call_site() if recorder is not None else ""
        error = ""
        push, pop = range_functions(name, name)
        push(None)
        start_ns = time_ns()
        try:
            yield
        except BaseException as raised:
            error = one_line(raised)
            raise
        finally:
            end_ns = time_ns()
            pop()
            if recorder is not None and (recorder.log.detailed or error):
                fields: dict[str, Any] = {"session": recorder.sessions.serial(self.session)}
                if self._binding is not None:
                    fields["binding"] = recorder.sessions.binding(self._binding)
                recorder.log.call(f"runner.{name}", start_ns, end_ns, site, error, **fields)


def cuda_problem() -> str:
    """Why onnxruntime can't run on CUDA beside torch in this process; "" when it can."""
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers():
        return f"onnxruntime {onnxruntime.__version__} is the CPU build; install onnxruntime-gpu"
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    return "" if torch.cuda.is_available() else f"torch {torch.__version__} finds no CUDA GPU"
