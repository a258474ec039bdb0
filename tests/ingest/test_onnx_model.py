"""Reading model files: what they hold, and those that are damaged or meant to do harm."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_models import MODELS, made, model_of, weight

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.models.onnx_model import read_onnx_model
from ortprobe.timeline import NONE, ModelGraph


def read(model: onnx.ModelProto | bytes, folder: Path) -> ModelGraph:
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return read_onnx_model(path)


def value(model: ModelGraph, name: str) -> int:
    (row,) = (row for row, each in enumerate(model.values.name) if model.names[each] == name)
    return row


def size_bytes(model: ModelGraph, name: str) -> int:
    return int(model.initializers.size_bytes[model.initializers.value == value(model, name)].item())


@pytest.mark.parametrize("name", MODELS)
def test_every_node_of_a_main_graph_is_there_in_order(name, tmp_path):
    model = read(made(name)[0], tmp_path)
    main = [model.op_type(row) for row in range(len(model.nodes)) if model.nodes.graph[row] == 0]
    assert main == [node.op_type for node in made(name)[0].graph.node]


def test_nodes_know_their_values_and_values_their_makers(tmp_path):
    model = read(made("convolutions")[0], tmp_path)
    add = [model.node_name(row) for row in range(len(model.nodes))].index("/add2")
    assert [model.names[model.values.name[row]] for row in model.nodes.inputs[add]] == ["c2", "r1"]
    assert [model.node_name(model.values.producer[row]) for row in model.nodes.inputs[add]] == ["/conv2", "/relu1"]


def test_types_and_shapes_are_those_that_the_file_states(tmp_path):
    model = read(made("encoder of any length")[0], tmp_path)
    assert model.value_text(value(model, "x")) == "int64[B,L]"
    assert model.value_text(value(model, "embedding.weight")) == "float[50,32]"
    assert size_bytes(model, "embedding.weight") == 4 * 50 * 32
    assert model.producer.startswith("pytorch")


def test_constant_nodes_are_initialisers_and_have_no_position(tmp_path):
    model = read(made("constants")[0], tmp_path)
    assert model.nodes.position.tolist() == [NONE, 0, NONE, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert size_bytes(model, "k0") == 4


def test_subgraphs_read_values_of_the_graphs_around_them(tmp_path):
    model = read(made("control flow")[0], tmp_path)
    assert model.graphs == ("", "/choice.else_branch", "/choice.then_branch", "/Loop_3.body")
    conv = [model.node_name(row) for row in range(len(model.nodes))].index("conv_in_then")
    assert model.nodes.inputs[conv].tolist() == [value(model, "x"), value(model, "w")]


def test_bodies_of_functions_are_graphs_of_their_own(tmp_path):
    model = read(made("functions")[0], tmp_path)
    assert model.graphs[-1] == "local::Twice"
    assert [model.op_type(row) for row in range(len(model.nodes)) if model.nodes.graph[row] == 1] == ["Add", "Relu"]


def test_weights_beside_the_model_count_and_are_never_opened(tmp_path):
    model = made("convolutions")[0]
    onnx.save_model(
        onnx.ModelProto.FromString(model.SerializeToString()), str(tmp_path / "large.onnx"), save_as_external_data=True,
        location="weights.bin", size_threshold=0,
    )  # fmt: skip
    (tmp_path / "weights.bin").unlink()
    beside = read_onnx_model(tmp_path / "large.onnx")
    assert size_bytes(beside, "w2") == 4 * 16 * 16 * 3 * 3


def test_more_weights_than_a_file_can_hold(tmp_path):
    """5 GiB of external weights that are not there."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[5 << 10, 1 << 18])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    model = read(model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor], ["N", 5120]), tmp_path)
    assert size_bytes(model, "w") == 5 << 30


def test_sparse_and_packed_initialisers(tmp_path):
    dense = numpy_helper.from_array(np.ones(3, np.float32), "sparse")
    places = numpy_helper.from_array(np.arange(3, dtype=np.int64), "")
    model = model_of([helper.make_node("Add", ["x", "sparse"], ["y"])], [], [100])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(dense, places, [100]))
    model.graph.initializer.append(TensorProto(name="int4", data_type=TensorProto.INT4, dims=[5], raw_data=b"abc"))
    got = read(model, tmp_path)
    assert (got.value_text(value(got, "sparse")), size_bytes(got, "sparse")) == ("float[100]", 36)
    assert (got.value_text(value(got, "int4")), size_bytes(got, "int4")) == ("int4[5]", 3)


@pytest.mark.parametrize("dims", [[-1], [1 << 62, 1 << 62]])
def test_a_size_that_makes_no_sense_is_unknown(dims, tmp_path):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims)
    model = read(model_of([helper.make_node("Add", ["x", "w"], ["y"])], [tensor], [1]), tmp_path)
    assert size_bytes(model, "w") == NONE


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b'[{"cat": "Session"}]', "is no ONNX model"),
        (b"ORTM\x08\x00", "is no ONNX model"),
        (onnx.ModelProto(producer_name="nobody").SerializeToString(), "there is no node in it"),
    ],
)
def test_what_is_no_model_gets_one_line(content, says, tmp_path):
    with pytest.raises(UnreadableInput, match=says) as error:
        read(content, tmp_path)
    assert "\n" not in str(error.value)


def test_a_model_that_is_cut_off(tmp_path):
    whole = made("residual")[0].SerializeToString()
    with pytest.raises(UnreadableInput, match="cut off"):
        read(whole[: len(whole) // 2], tmp_path)


@pytest.mark.parametrize("path", ["missing.onnx", ".", "zero\0byte"])
def test_what_is_no_file(path, tmp_path):
    with pytest.raises(UnreadableInput):
        read_onnx_model(tmp_path / path)


def test_a_name_that_is_no_text_is_one_that_can_be_written(tmp_path):
    nodes = [helper.make_node("Relu", ["XXXX"], ["YYYY"], "AAAA")]
    content = model_of(nodes, [], ["DDDD"]).SerializeToString()
    for name in (b"XXXX", b"YYYY", b"AAAA", b"DDDD", b"Relu"):
        content = content.replace(name, b"\xff\xfe\xfd\xfc")
    model = read(content, tmp_path)
    assert "".join(model.names).encode()
    assert model.node_name(0) == "\N{REPLACEMENT CHARACTER}" * 4


def test_graphs_in_graphs_in_graphs(tmp_path):
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "inner", [], [])
    for depth in range(25):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], f"if{depth}", then_branch=graph)], "g", [], [])
    assert len(read(helper.make_model(graph), tmp_path).graphs) == 26


def test_values_that_nobody_makes_and_that_are_made_twice(tmp_path):
    nodes = [helper.make_node("Add", ["later", "nobody"], ["y"]), helper.make_node("Relu", ["y"], ["later"])]
    model = read(model_of([*nodes, helper.make_node("Exp", ["later"], ["later"])], [], [1]), tmp_path)
    assert model.values.producer[value(model, "later")] == 2


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=6), insert=st.booleans())
def test_a_damaged_model_is_read_or_refused(place, junk, insert):
    content = made("control flow")[0].SerializeToString()
    at = int(place * len(content))
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = read(content[:at] + junk + content[at if insert else at + len(junk) :], Path(folder))
        except UnreadableInput:
            return
        assert len(model.nodes) == len(model.nodes.inputs)


def test_names_of_initialisers_are_no_paths(tmp_path):
    model = model_of([helper.make_node("Add", ["x", "../w"], ["y"], "\x1b[31m")], [weight("../w", 1)], [1])
    assert read(model, tmp_path).node_name(0) == "\x1b[31m"
