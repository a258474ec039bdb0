"""Inputs made from a model's own shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from ortprobe.capture.runner.model import ModelInput, random_feeds, read_inputs
from ortprobe.errors import UnreadableInput, UsageError

IMAGE = ModelInput("x", "tensor(float)", ("N", 3))


def test_inputs_are_read_with_their_free_dimensions(free_model: Path) -> None:
    assert read_inputs(free_model) == (IMAGE,)


def test_feeds_are_the_same_every_time_and_of_the_right_types() -> None:
    inputs = (IMAGE, ModelInput("ids", "tensor(int64)", (2, "L")), ModelInput("mask", "tensor(bool)", ()))
    feeds = random_feeds(inputs, {"N": 4, "L": 5}, {})
    again = random_feeds(inputs, {"N": 4, "L": 5}, {})
    assert {name: (feed.shape, feed.dtype.name) for name, feed in feeds.items()} == {
        "x": ((4, 3), "float32"),
        "ids": ((2, 5), "int64"),
        "mask": ((), "bool"),
    }
    assert set(feeds["ids"].ravel()) <= {0, 1}
    for name, feed in feeds.items():
        np.testing.assert_array_equal(feed, again[name])


def test_missing_dimension_is_asked_for_by_name() -> None:
    with pytest.raises(
        UsageError, match=r"dimension 'N' of input 'x' \(N, 3\)\? Add --dim N=SIZE, or --shape x=SIZE,3"
    ):
        random_feeds((IMAGE,), {}, {})


def test_shape_goes_before_dim() -> None:
    assert random_feeds((IMAGE,), {"N": 4}, {"x": (7, 3)})["x"].shape == (7, 3)


@pytest.mark.parametrize(
    ("dims", "shapes", "message"),
    [
        ({"N": 4, "M": 2}, {}, "--dim M: the model's inputs have no such free dimension; they have N"),
        ({"N": 4}, {"y": (1,)}, "--shape y: the model has no such input; it has x"),
    ],
)
def test_options_that_name_nothing_are_refused(dims: dict, shapes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        random_feeds((IMAGE,), dims, shapes)


@pytest.mark.parametrize("content", [b"", b"{", b"not a model at all", bytes(range(256))])
def test_what_is_no_model_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(UnreadableInput, match="is not an ONNX model"):
        read_inputs(tmp_path / "bad.onnx")


@pytest.mark.parametrize("shape", [(4,), (4, 5), (4, 3, 1)])
def test_shape_must_fit_the_models_own(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"--shape x=4.*: the model's own shape of this input is \(N, 3\)"):
        random_feeds([IMAGE], {}, {"x": shape})


def test_array_beyond_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="input 'x': no memory for an array of shape"):
        random_feeds([IMAGE], {"N": 10**15}, {})


def test_input_without_a_shape_takes_any(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "any",
        [value("x", onnx.TensorProto.FLOAT, None)],
        [value("y", onnx.TensorProto.FLOAT, None)],
    )
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "any.onnx"))
    assert random_feeds(read_inputs(tmp_path / "any.onnx"), {}, {"x": (2, 3)})["x"].shape == (2, 3)
