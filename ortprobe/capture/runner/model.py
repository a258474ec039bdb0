"""Running a model that nobody wrote a program for: inputs from its own shapes, then the Runner."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ortprobe.capture.hook_log import one_line
from ortprobe.capture.program.program import Program, ProgramFailed
from ortprobe.capture.runner.element_types import element_type
from ortprobe.capture.runner.runner import Runner, cuda_problem
from ortprobe.errors import CaptureFailed, UnreadableInput, UsageError

_SEED = 0
Feeds = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An input of a model: its ONNX type as onnxruntime writes it, and its shape with free dimensions by name."""

    name: str
    type: str
    shape: tuple[int | str, ...]
    has_rank: bool = True
    """Whether the model says how many dimensions it has; `shape` is empty if not."""


def load_model(
    path: Path,
    *,
    dims: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    iterations: int,
    provider: str | None = None,
) -> Program:
    """A program that runs the model `iterations` times on random inputs.

    Args:
        dims: sizes of free dimensions by name.
        shapes: whole shapes by input name; they go before `dims`.
        provider: `cuda`, `cpu`, or None for CUDA where it can be had.

    Raises:
        UnreadableInput: the file is no ONNX model.
        UsageError: a free dimension without a size, an input that is no tensor of numbers, no CUDA where asked for.
    """
    feeds = random_feeds(read_inputs(path), dims, shapes)
    if provider == "cuda" and (problem := cuda_problem()):
        raise UsageError(f"--provider cuda: {problem}")
    return Program("model", path.stem, (str(path),), lambda: _run(path, feeds, iterations, provider))


def read_inputs(path: Path) -> tuple[ModelInput, ...]:
    """The inputs of a model without its weights being loaded; initializers that can be overridden are left out.

    Raises:
        UnreadableInput: the file can't be read, or holds no ONNX model.
    """
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise UnreadableInput(f"{path}: can't be read ({error.strerror})") from error
    except Exception as error:
        raise UnreadableInput(f"{path}: is not an ONNX model ({one_line(error)})") from error
    if not model.graph.node and not model.graph.output:
        raise UnreadableInput(f"{path}: is not an ONNX model (it holds no graph)")
    initialized = {tensor.name for tensor in model.graph.initializer}
    return tuple(_described(value) for value in model.graph.input if value.name not in initialized)


def random_feeds(inputs: Sequence[ModelInput], dims: Mapping[str, int], shapes: Mapping[str, Sequence[int]]) -> Feeds:
    """The same random arrays every time: floats from 0 to 1, integers and booleans 0 or 1, which index anything.

    Raises:
        UsageError: a free dimension has no size, an option names nothing in the model, or a type has no array.
    """
    _check_options(inputs, dims, shapes)
    generator = np.random.default_rng(_SEED)
    feeds: Feeds = {}
    for given in inputs:
        found = element_type(given.type, given.name)
        if not found.numpy:
            raise UsageError(f"input {given.name!r} is {found.torch}, for which numpy has no array; trace a script")
        shape = _stated(given, shapes[given.name]) if given.name in shapes else _sized(given, dims)
        dtype = np.dtype(found.numpy)
        try:
            values = generator.random(shape) if dtype.kind == "f" else generator.integers(0, 2, shape)
            feeds[given.name] = np.asarray(values).astype(dtype)
        except (MemoryError, ValueError) as error:
            raise UsageError(
                f"input {given.name!r}: no memory for an array of shape {shape}; make it smaller"
            ) from error
    return feeds


def _described(value: object) -> ModelInput:
    import onnx

    kind = value.type.WhichOneof("value")  # type: ignore[attr-defined]
    name: str = value.name  # type: ignore[attr-defined]
    if kind != "tensor_type":
        return ModelInput(name, str(kind).replace("_type", ""), ())
    tensor = value.type.tensor_type  # type: ignore[attr-defined]
    element = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = tuple(
        dim.dim_value if dim.WhichOneof("value") == "dim_value" else dim.dim_param or f"{name}:{axis}"
        for axis, dim in enumerate(tensor.shape.dim)
    )
    return ModelInput(name, f"tensor({element})", shape, has_rank=tensor.HasField("shape"))


def _stated(given: ModelInput, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of `--shape`, which must have the model's own sizes where those are fixed."""
    fits = len(shape) == len(given.shape) and all(
        isinstance(own, str) or own == size for own, size in zip(given.shape, shape, strict=True)
    )
    if given.has_rank and not fits:
        own = ", ".join(str(size) for size in given.shape)
        stated = ",".join(str(size) for size in shape)
        raise UsageError(f"--shape {given.name}={stated}: the model's own shape of this input is ({own})")
    return tuple(shape)


def _sized(given: ModelInput, dims: Mapping[str, int]) -> tuple[int, ...]:
    free = [size for size in given.shape if isinstance(size, str) and size not in dims]
    if free:
        shown = ", ".join(str(size) for size in given.shape)
        options = " ".join(f"--dim {size}=SIZE" for size in dict.fromkeys(free))
        example = ",".join("SIZE" if isinstance(size, str) else str(size) for size in given.shape)
        raise UsageError(
            f"how large is dimension {free[0]!r} of input {given.name!r} ({shown})? "
            f"Add {options}, or --shape {given.name}={example}"
        )
    return tuple(size if isinstance(size, int) else dims[size] for size in given.shape)


def _check_options(inputs: Sequence[ModelInput], dims: Mapping[str, int], shapes: Mapping[str, Sequence[int]]) -> None:
    names = [given.name for given in inputs]
    free = {size for given in inputs for size in given.shape if isinstance(size, str)}
    for name in shapes:
        if name not in names:
            raise UsageError(f"--shape {name}: the model has no such input; it has {', '.join(names) or 'none'}")
    for name in dims:
        if name not in free:
            known = ", ".join(sorted(free)) or "none"
            raise UsageError(f"--dim {name}: the model's inputs have no such free dimension; they have {known}")


def _run(path: Path, feeds: Feeds, iterations: int, provider: str | None) -> None:
    try:
        if provider is None and cuda_problem():
            print("ortprobe: no CUDA GPU: running on the CPU, so there is no device timeline", file=sys.stderr)
        runner = Runner.open(path, provider=provider)
        runner(feeds)
    except ImportError as error:
        raise CaptureFailed(
            f"onnxruntime can't be imported ({one_line(error)}); install onnxruntime-gpu, or onnxruntime for the CPU"
        ) from error
    except Exception as error:
        raise CaptureFailed(f"{path}: onnxruntime can't run it ({one_line(error)})") from error
    for run in range(2, iterations + 1):
        try:
            runner(feeds)
        except Exception as error:
            raise ProgramFailed(f"{path}: run {run} of {iterations} failed ({one_line(error)})") from error
