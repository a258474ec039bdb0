"""Small ONNX models, made by hand, exported by torch and quantised, and what ONNX Runtime makes of them."""

from __future__ import annotations

import atexit
import io
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

LEVELS = {
    "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
Inputs = dict[str, NDArray[np.generic]]
Made = tuple[onnx.ModelProto, Inputs]
_FOLDER = tempfile.mkdtemp(prefix="ortprobe-models-")
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
IMAGE: Inputs = {"x": np.linspace(-1, 1, 192, dtype=np.float32).reshape(1, 3, 8, 8)}
WORDS: Inputs = {"x": np.arange(12, dtype=np.int64).reshape(2, 6)}


@dataclass(frozen=True)
class Ran:
    """A model that ran, with ORT's profile of it, and the optimised model that ORT says it executed."""

    model: Path
    profile: Path
    optimised: Path


@cache
def ran(name: str, level: str) -> Ran:
    """Run a model twice on the CPU, profiled."""
    folder = Path(tempfile.mkdtemp(dir=_FOLDER))
    model, inputs = made(name)
    onnx.save(model, str(folder / "model.onnx"))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = LEVELS[level]
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    for _ in range(2):
        session.run(None, inputs)
    return Ran(folder / "model.onnx", Path(session.end_profiling()), folder / "optimised.onnx")


@cache
def made(name: str) -> Made:
    """One of `MODELS`, with inputs for it."""
    return MODELS[name]()


def executed(profile: Path) -> set[tuple[str, str]]:
    """Name and operator of every node in a profile."""
    events = json.loads(profile.read_bytes())
    nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    return {(event["name"].removesuffix("_kernel_time"), event["args"]["op_name"]) for event in nodes}


def model_of(nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], shape: list[int | str], **more: object):
    """A model of one float input `x` and one output `y`."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=9, **more)


def weight(name: str, *shape: int) -> onnx.TensorProto:
    values = np.random.default_rng(len(name)).normal(0.5, 0.1, shape).astype(np.float32)
    return numpy_helper.from_array(np.abs(values) if len(shape) == 1 else values, name)


def scalar(name: str, value: object, dtype: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


def convolutions() -> Made:
    """Conv, BatchNormalization, Relu; Conv with a residual Add, Relu; Mul; Conv, LeakyRelu."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["c1"], "/conv1", pads=[1] * 4),
        node("BatchNormalization", ["c1", "s", "b", "m", "v"], ["n1"], "/norm1"),
        node("Relu", ["n1"], ["r1"], "/relu1"),
        node("Conv", ["r1", "w2"], ["c2"], "/conv2", pads=[1] * 4),
        node("Add", ["c2", "r1"], ["a2"], "/add2"),
        node("Relu", ["a2"], ["r2"], "/relu2"),
        node("Mul", ["r2", "k"], ["m2"], "/mul"),
        node("Conv", ["m2", "w3", "b3"], ["c3"], "/conv3"),
        node("LeakyRelu", ["c3"], ["y"], "/leaky", alpha=0.2),
    ]
    weights = [weight("w1", 16, 3, 3, 3), weight("w2", 16, 16, 3, 3), weight("w3", 8, 16, 1, 1), weight("b3", 8)]
    weights += [*(weight(name, 16) for name in "sbmv"), scalar("k", 2)]
    return model_of(nodes, weights, [1, 3, 8, 8]), IMAGE


def without_names() -> Made:
    model = onnx.ModelProto.FromString(convolutions()[0].SerializeToString())
    for node in model.graph.node:
        node.name = ""
    return model, IMAGE


def half_precision() -> Made:
    """The convolutions in float16, which ORT's CPU kernels don't have: it casts around them."""
    model = onnx.ModelProto.FromString(convolutions()[0].SerializeToString())
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model, {"x": IMAGE["x"].astype(np.float16)}


def constants() -> Made:
    """Constant nodes between others, names here and there, twice the same, and what ORT computes in advance."""
    node = helper.make_node
    nodes = [
        node("Constant", [], ["k0"], value=scalar("", 3)),
        node("Mul", ["x", "k0"], ["a"]),
        node("Constant", [], ["k1"], "three", value=scalar("", 3)),
        node("Shape", ["a"], ["shape"]),
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("Add", ["a", "zeros"], ["b"]),
        node("Identity", ["b"], ["c"], "same"),
        node("Exp", ["c"], ["d"], "exp"),
        node("Exp", ["c"], ["e"], "exp_again"),
        node("Add", ["d", "e"], ["f"]),
        node("Sqrt", ["k1"], ["root"], "root"),
        node("Mul", ["f", "root"], ["y"]),
    ]
    return model_of(nodes, [], ["N", 4]), {"x": np.ones((3, 4), np.float32)}


def control_flow() -> Made:
    """If and Loop; their subgraphs read values of the main graph; `Relu_1` may be a node of either."""
    node, value = helper.make_node, helper.make_tensor_value_info
    result = [value("t", TensorProto.FLOAT, None)]
    conv = node("Conv", ["x", "w"], ["c"], "conv_in_then", pads=[1] * 4)
    then = helper.make_graph([conv, node("Relu", ["c"], ["t"])], "then", [], result)
    other = [node("Neg", ["x"], ["n"]), node("Conv", ["n", "w"], ["t"], pads=[1] * 4)]
    body = helper.make_graph(
        [node("Add", ["s", "one"], ["s1"], "add_in_loop"), node("Relu", ["s1"], ["so"]),
         node("Identity", ["go"], ["on"], "keep")],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("s", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("so", TensorProto.FLOAT, None)],
        [scalar("one", 1)],
    )  # fmt: skip
    nodes = [
        node("ReduceSum", ["x"], ["sum"], "sum", keepdims=0),
        node("Less", ["sum", "limit"], ["less"], "less"),
        node("If", ["less"], ["a"], "choice", then_branch=then, else_branch=helper.make_graph(other, "e", [], result)),
        node("Loop", ["trips", "true", "a"], ["y"], "", body=body),
    ]
    weights = [
        weight("w", 16, 3, 3, 3),
        scalar("limit", 1e9),
        scalar("trips", 3, np.int64),
        scalar("true", 1, np.bool_),
    ]
    return model_of(nodes, weights, [1, 3, 8, 8]), IMAGE


def function_calls() -> Made:
    """A function of the model, called twice."""
    body = [helper.make_node("Add", ["a", "a"], ["s"], "double"), helper.make_node("Relu", ["s"], ["b"])]
    twice = helper.make_function("local", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("Twice", ["x"], ["p"], "first", domain="local"),
        helper.make_node("Exp", ["p"], ["e"], "exp"),
        helper.make_node("Twice", ["e"], ["q"], domain="local"),
        helper.make_node("Relu", ["q"], ["y"], "last"),
    ]
    return model_of(nodes, [], [2, 4], functions=[twice]), {"x": np.ones((2, 4), np.float32)}


def products() -> Made:
    """MatMul, Add, Relu; Transpose, MatMul, Mul; Gemm, Add; Transpose, Gemm."""
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["m"], "mm"),
        node("Add", ["m", "b"], ["a"], "bias"),
        node("Relu", ["a"], ["r"], "relu"),
        node("Transpose", ["r"], ["t"], "turn", perm=[1, 0]),
        node("MatMul", ["t", "r"], ["m2"], "square"),
        node("Mul", ["m2", "k"], ["m3"], "scale"),
        node("Gemm", ["m3", "w2"], ["g"], "gemm"),
        node("Add", ["g", "r2"], ["h"], "add"),
        node("Transpose", ["h"], ["t3"], "turn_again", perm=[1, 0]),
        node("Gemm", ["t3", "w2"], ["y"], "last", transB=1),
    ]
    weights = [weight("w", 8, 8), weight("b", 8), weight("w2", 8, 8), weight("r2", 8), scalar("k", 0.3)]
    return model_of(nodes, weights, [8, 8]), {"x": np.ones((8, 8), np.float32)}


def layouts() -> Made:
    """Transposes between NHWC and NCHW around Conv and MaxPool."""
    node = helper.make_node
    to_nchw, to_nhwc = [0, 3, 1, 2], [0, 2, 3, 1]
    nodes = [
        node("Transpose", ["x"], ["t1"], "to_nchw", perm=to_nchw),
        node("Conv", ["t1", "w"], ["c"], "conv", pads=[1] * 4),
        node("Relu", ["c"], ["r"], "relu"),
        node("Transpose", ["r"], ["t2"], "to_nhwc", perm=to_nhwc),
        node("Add", ["t2", "b"], ["a"], "add"),
        node("Transpose", ["a"], ["t3"], "to_nchw_again", perm=to_nchw),
        node("MaxPool", ["t3"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Exp", ["p"], ["e"], "exp"),
        node("Transpose", ["e"], ["y"], "to_nhwc_again", perm=to_nhwc),
    ]
    return model_of(nodes, [weight("w", 16, 3, 3, 3), weight("b", 16)], [1, 8, 8, 3]), {
        "x": np.ones((1, 8, 8, 3), np.float32)
    }


def two_kinds_of_gelu() -> Made:
    """ONNX's own Gelu under the name that ORT gives to fused ones, and one in pieces."""
    node = helper.make_node
    nodes = [
        node("Gelu", ["x"], ["g"], "Gelu"),
        node("Div", ["g", "root"], ["d"], "div"),
        node("Erf", ["d"], ["e"], "erf"),
        node("Add", ["e", "one"], ["a"], "add"),
        node("Mul", ["g", "a"], ["m"], "mul"),
        node("Mul", ["m", "half"], ["y"], "halve"),
    ]
    weights = [scalar("root", 2**0.5), scalar("one", 1), scalar("half", 0.5)]
    model = model_of(nodes, weights, [2, 4])
    model.opset_import[0].version = 20
    return model, {"x": np.ones((2, 4), np.float32)}


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv3, self.head = nn.Conv2d(16, 16, 1), nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        z = torch.max_pool2d(torch.relu(self.norm2(self.conv2(y)) + y), 2)
        return torch.softmax(self.head(torch.sigmoid(self.conv3(z)).mean((2, 3))), -1)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(32, 32) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.up, self.down, self.gelu = nn.Linear(32, 128), nn.Linear(128, 32), nn.GELU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = (part(x).reshape(batch, length, 4, 8).transpose(1, 2) for part in (self.query, self.key, self.value))
        attention = torch.softmax(q @ k.transpose(-1, -2) / 8**0.5, -1) @ v
        x = self.norm1(x + self.out(attention.transpose(1, 2).reshape(batch, length, width)))
        return self.norm2(x + self.down(self.gelu(self.up(x))))


class Encoder(nn.Module):
    def __init__(self, blocks: int = 2) -> None:
        super().__init__()
        self.embedding, self.blocks = nn.Embedding(50, 32), nn.ModuleList([Block() for _ in range(blocks)])

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.embedding(words)
        for block in self.blocks:
            x = block(x)
        return x


def exported(module: nn.Module, example: torch.Tensor, opset: int, **options: object) -> onnx.ModelProto:
    """What torch's TorchScript exporter writes, with input `x`."""
    torch.manual_seed(0)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (example,), file, opset_version=opset, dynamo=False, input_names=["x"], **options
        )
    return onnx.load_from_string(file.getvalue())


def residual(**options: object) -> Made:
    return exported(Residual(), torch.zeros(1, 3, 8, 8), 17, **options), IMAGE


def with_norms() -> Made:
    return residual(do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)


def encoder(opset: int, blocks: int = 2, half: bool = False, **options: object) -> Made:
    module = Encoder(blocks).half() if half else Encoder(blocks)
    return exported(module, torch.zeros(2, 6, dtype=torch.long), opset, **options), WORDS


def any_length() -> Made:
    return encoder(17, dynamic_axes={"x": {0: "B", 1: "L"}})


def quantised(source: Callable[[], Made]) -> Made:
    """With QuantizeLinear and DequantizeLinear around every operator."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    model, inputs = source()

    class Reader(CalibrationDataReader):
        left = 2

        def get_next(self) -> Inputs | None:
            self.left -= 1
            return inputs if self.left >= 0 else None

    folder = Path(tempfile.mkdtemp(dir=_FOLDER))
    onnx.save(model, str(folder / "float.onnx"))
    logging.disable(logging.WARNING)
    try:
        quantize_static(folder / "float.onnx", folder / "int8.onnx", Reader(), quant_format=QuantFormat.QDQ)
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(str(folder / "int8.onnx")), inputs


def dynamically_quantised() -> Made:
    from onnxruntime.quantization import quantize_dynamic

    folder = Path(tempfile.mkdtemp(dir=_FOLDER))
    onnx.save(encoder(17, blocks=1)[0], str(folder / "float.onnx"))
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(folder / "float.onnx", folder / "int8.onnx")
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(str(folder / "int8.onnx")), WORDS


MODELS: dict[str, Callable[[], Made]] = {
    "convolutions": convolutions,
    "without names": without_names,
    "half precision": half_precision,
    "constants": constants,
    "control flow": control_flow,
    "functions": function_calls,
    "products": products,
    "layouts": layouts,
    "two kinds of Gelu": two_kinds_of_gelu,
    "residual": residual,
    "residual with norms": with_norms,
    "encoder, opset 12": lambda: encoder(12),
    "encoder, opset 17": lambda: encoder(17),
    "encoder, opset 20": lambda: encoder(20),
    "encoder of any length": any_length,
    "encoder, half precision": lambda: encoder(17, half=True),
    "quantised residual": lambda: quantised(residual),
    "quantised encoder": lambda: quantised(lambda: encoder(17, blocks=1)),
    "dynamically quantised encoder": dynamically_quantised,
}
