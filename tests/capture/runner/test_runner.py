"""The Runner computes what `session.run` computes, with and without a capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import ortprobe
from ortprobe.bundle import Call, read_bundle
from ortprobe.errors import UsageError

CPU = ["CPUExecutionProvider"]


@pytest.fixture
def session(model: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(model), providers=CPU)


def random(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_outputs_are_those_of_run_under_their_own_names(session: onnxruntime.InferenceSession) -> None:
    runner = ortprobe.Runner(session)
    for seed in range(3):
        feeds = {"x": random((2, 3), seed)}
        outputs = runner(feeds)
        assert list(outputs) == ["y", "z"]
        for output, expected in zip(outputs.values(), session.run(None, feeds), strict=True):
            np.testing.assert_array_equal(output, expected)


def test_options_of_runs_are_given_to_each_run(session: onnxruntime.InferenceSession) -> None:
    options = onnxruntime.RunOptions()
    runner = ortprobe.Runner(session, run_options=options)
    runner({"x": random((2, 3))})
    options.terminate = True
    with pytest.raises(Exception, match="terminate"):
        runner.run()


def test_outputs_outlive_later_runs_and_feeds_are_not_written(session: onnxruntime.InferenceSession) -> None:
    runner = ortprobe.Runner(session)
    first, second = random((2, 3), 1), random((2, 3), 2)
    kept_feed = first.copy()
    outputs = runner({"x": first})
    runner({"x": second})
    np.testing.assert_array_equal(outputs["z"], -kept_feed)
    np.testing.assert_array_equal(first, kept_feed)


def test_torch_tensors_can_be_fed(session: onnxruntime.InferenceSession) -> None:
    feed = torch.ones(3, 2).t()
    np.testing.assert_array_equal(ortprobe.Runner(session)({"x": feed})["z"], -np.ones((2, 3), np.float32))


@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=5))
@settings(max_examples=10, deadline=None)
def test_changing_shapes_bind_again(sizes: list[int]) -> None:
    runner = ortprobe.Runner(free_session())
    for size in sizes:
        feed = random((size, 3), size)
        np.testing.assert_array_equal(runner({"x": feed})["y"], np.maximum(feed, 0))


def free_session() -> onnxruntime.InferenceSession:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "free",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 3))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=CPU)


def test_steps_are_recorded_during_a_capture(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        runner = ortprobe.Runner.open(model, provider="cpu")
        runner({"x": random((2, 3))})
        runner({"x": random((2, 3))})
    calls = [record for record in read_bundle(capture.folder).records if isinstance(record, Call)]
    steps = [call.what for call in calls if call.what.startswith("runner.")]
    once = ["runner.run", "runner.clone"]
    assert steps == ["runner.bind", *once, "runner.copy", *once]
    assert {call.session for call in calls if call.what.startswith("runner.")} == {0}
    assert all(call.site.startswith(__file__) for call in calls if call.what.startswith("runner."))


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({}, "missing: \\['x'\\]"),
        ({"x": random((2, 3)), "w": random((2, 3))}, "unknown: \\['w'\\]"),
    ],
)
def test_wrong_feeds_are_named(session: onnxruntime.InferenceSession, feeds: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ortprobe.Runner(session).bind(feeds)


def test_steps_out_of_order_are_told(session: onnxruntime.InferenceSession) -> None:
    runner = ortprobe.Runner(session)
    with pytest.raises(UsageError, match="nothing is bound yet"):
        runner.run()
    runner.bind({"x": random((2, 3))})
    with pytest.raises(UsageError, match="call bind again"):
        runner.copy({"x": random((3, 2))})


def test_cuda_that_is_not_there_is_refused_with_the_reason(model: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError, match=r"can't run on CUDA: .*CPU build"):
        ortprobe.Runner.open(model, provider="cuda")


def test_text_inputs_are_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["text"], ["same"])],
        "text",
        [helper.make_tensor_value_info("text", TensorProto.STRING, (1,))],
        [helper.make_tensor_value_info("same", TensorProto.STRING, (1,))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "text.onnx"))
    runner = ortprobe.Runner.open(tmp_path / "text.onnx", provider="cpu")
    with pytest.raises(UsageError, match=r"'text' is a tensor\(string\)"):
        runner.bind({"text": np.array(["a"])})
