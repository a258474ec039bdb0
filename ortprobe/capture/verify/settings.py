"""Putting settings into what onnxruntime makes a session of, and into the options of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ortprobe.capture.verify.knobs import EXECUTION_MODES, GRAPH_LEVELS, Setting, Where, of_where

if TYPE_CHECKING:
    from onnxruntime import RunOptions, SessionOptions

CUDA = "CUDAExecutionProvider"


def put_into(options: SessionOptions, settings: Sequence[Setting]) -> None:
    """Set what is of SessionOptions."""
    for key, value in of_where(settings, Where.SESSION).items():
        setattr(options, key, _attribute(key, value))
    for key, value in of_where(settings, Where.SESSION_ENTRY).items():
        options.add_session_config_entry(key, value)


@contextmanager
def put_into_for_now(options: SessionOptions, settings: Sequence[Setting]) -> Iterator[None]:
    """The same on options of the program's own, which are as they were afterwards.

    But for an entry that was not there: onnxruntime can't take one out, and nothing reads it without a session.
    """
    attributes = {key: getattr(options, key) for key in of_where(settings, Where.SESSION)}
    entries = {}
    for key in of_where(settings, Where.SESSION_ENTRY):
        with suppress(RuntimeError):  # onnxruntime raises it for an entry that was not set
            entries[key] = options.get_session_config_entry(key)
    try:
        put_into(options, settings)
        yield
    finally:
        for key, value in attributes.items():
            setattr(options, key, value)
        for key, value in entries.items():
            options.add_session_config_entry(key, value)


def run_options(settings: Sequence[Setting], given: RunOptions | None = None) -> RunOptions | None:
    """The given options of a run with the settings', or options with these; None where there is nothing to set."""
    entries = of_where(settings, Where.RUN_ENTRY)
    if not entries:
        return given
    if given is None:
        from onnxruntime import RunOptions

        given = RunOptions()
    for key, value in entries.items():
        given.add_run_config_entry(key, value)
    return given


def with_cuda_options(
    providers: Sequence[Any], provider_options: Sequence[Mapping[Any, Any]] | None, ours: Mapping[str, str]
) -> tuple[list[Any], list[dict[Any, Any]] | None]:
    """Providers as a session is given them, in either of the ways there are, with further options of CUDA's."""
    if provider_options:
        merged = [
            {**options, **ours} if name == CUDA else dict(options)
            for name, options in zip(providers, provider_options, strict=False)
        ]
        return list(providers), merged
    return [_with_options(entry, ours) for entry in providers], None


def names_cuda(providers: Sequence[Any]) -> bool:
    return any((entry[0] if isinstance(entry, tuple) else entry) == CUDA for entry in providers)


def _with_options(entry: Any, ours: Mapping[str, str]) -> Any:  # noqa: ANN401 - a name, or a name and options
    name, options = entry if isinstance(entry, tuple) else (entry, {})
    return (name, {**options, **ours}) if name == CUDA else entry


def _attribute(key: str, value: str) -> Any:  # noqa: ANN401 - as SessionOptions has it
    import onnxruntime

    if key == "graph_optimization_level":
        name = "ORT_DISABLE_ALL" if value == GRAPH_LEVELS["disable"] else f"ORT_ENABLE_{value.upper()}"
        return getattr(onnxruntime.GraphOptimizationLevel, name)
    if key == "execution_mode":
        sequential = value == EXECUTION_MODES["sequential"]
        modes = onnxruntime.ExecutionMode
        return modes.ORT_SEQUENTIAL if sequential else modes.ORT_PARALLEL
    if key in ("intra_op_num_threads", "inter_op_num_threads"):
        return int(value)
    return value == "1"
