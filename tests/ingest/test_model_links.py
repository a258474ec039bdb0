"""Executed nodes and the model's own, as ONNX Runtime really runs and optimises."""

from __future__ import annotations

from collections import Counter

import pytest
from captures import DATA
from onnx_models import LEVELS, MODELS, ran
from optimised_oracle import Oracle

from ortprobe.errors import UsageError
from ortprobe.examples.small_model import write_model
from ortprobe.ingest import load_bundle, load_files
from ortprobe.timeline import LinkKind, Timeline

UNNAMED = {"half precision", "encoder, half precision", "functions", "control flow"}
"""Models with nodes that have no name and can't be told apart: of functions, ONNX's own too, and of two subgraphs."""
EXACT, DERIVED, INSERTED = LinkKind.EXACT, LinkKind.DERIVED, LinkKind.INSERTED


def linked(name: str, level: str, *, with_optimised: bool = False) -> Timeline:
    run = ran(name, level)
    return load_files(ort=[run.profile], models=[run.model, *([run.optimised] if with_optimised else [])])


def origins(timeline: Timeline) -> dict[str, tuple[LinkKind, list[str]]]:
    """Executed node → its kind of link, and the model's names."""
    links, names = timeline.model_links, timeline.names
    return {
        names[timeline.nodes.name[row]]: (
            LinkKind(links.kind[row]),
            [timeline.models[links.model[row]].node_name(node) for node in links.graph_nodes[row]],
        )
        for row in range(len(links))
    }


def kinds(timeline: Timeline) -> Counter[LinkKind]:
    return Counter(kind for kind, _ in origins(timeline).values())


@pytest.mark.parametrize("with_optimised", [False, True], ids=["model alone", "with the optimised model"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_no_node_is_linked_to_what_it_does_not_compute(name, level, with_optimised):
    run, timeline = ran(name, level), linked(name, level, with_optimised=with_optimised)
    oracle, links = Oracle(run.model, run.optimised), timeline.model_links
    model, checked = timeline.models[0], 0
    for row in range(len(links)):
        executed = timeline.names[timeline.nodes.name[row]]
        truth = oracle.may_stand_for(executed)
        mine = {node for node in links.graph_nodes[row].tolist() if model.nodes.graph[node] == 0}
        if truth is not None and mine:
            assert mine <= truth, (executed, [model.node_name(node) for node in mine - truth])
            checked += 1
    assert checked or name in ("without names", "functions", "control flow", "constants")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", sorted(set(MODELS) - UNNAMED))
def test_every_node_is_found_or_known_to_be_put_in(name, level):
    assert kinds(linked(name, level))[LinkKind.NONE] == 0


@pytest.mark.parametrize("name", MODELS)
def test_without_optimising_nodes_are_the_models_own_or_put_in(name):
    found = kinds(linked(name, "off"))
    assert found[EXACT] > 0
    assert found[DERIVED] == sum("/duplicated" in one or one.startswith("_inl") for one in origins(linked(name, "off")))


def test_convolutions_tell_what_was_folded_and_fused_into_them():
    found = origins(linked("convolutions", "extended"))
    assert found["/conv1"] == (DERIVED, ["/conv1", "/norm1", "/relu1"])
    assert found["/conv3"] == (DERIVED, ["/conv3", "/leaky"])
    assert found["/conv2"] == (EXACT, ["/conv2"])
    assert origins(linked("convolutions", "basic"))["/conv1"] == (EXACT, ["/conv1", "/norm1"])


def test_blocked_convolutions_are_found_by_the_value_that_names_them():
    found = origins(linked("convolutions", "all"))
    assert found["r1_nchwc"] == (DERIVED, ["/conv1", "/norm1", "/relu1"])
    assert found["c2_nchwc"] == (DERIVED, ["/conv2", "/add2", "/relu2"])
    assert found["y_nchwc"] == (DERIVED, ["/conv3", "/leaky"])
    assert found["ReorderInput"] == found["ReorderOutput"] == (INSERTED, [])


def test_unnamed_nodes_are_found_by_their_position_and_fused_ones_by_their_order():
    assert origins(linked("without names", "off"))["LeakyRelu_8"] == (EXACT, ["LeakyRelu_8"])
    found = origins(linked("without names", "extended"))
    assert found["FusedConv_9"] == (DERIVED, ["Conv_0", "BatchNormalization_1", "Relu_2"])
    assert found["FusedConv_10"] == (DERIVED, ["Conv_7", "LeakyRelu_8"])


def test_products_of_matrices():
    found = origins(linked("products", "extended"))
    assert found["fused mm/MatMulAddFusion"] == (DERIVED, ["mm", "bias", "relu"])
    assert found["square/MatmulTransposeFusion//MatMulScaleFusion/"] == (DERIVED, ["turn", "square", "scale"])
    assert found["last/GemmTransposeFusion/"] == (DERIVED, ["turn_again", "last"])


def test_normalisations_and_gelu_that_lie_in_pieces_in_the_model():
    timeline = linked("encoder, opset 12", "extended")
    by_type = {}
    for row in range(len(timeline.nodes)):
        model, nodes = timeline.models[0], timeline.model_links.graph_nodes[row].tolist()
        op_type = timeline.names[timeline.nodes.op_type[row]]
        by_type.setdefault(op_type, []).append([model.op_type(node) for node in nodes])
    pieces = ["ReduceMean", "Sub", "Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul", "Add"]
    assert by_type["SkipLayerNormalization"] == [["Add", *pieces]] * 4
    assert by_type["Gelu"] == [["Div", "Erf", "Add", "Mul", "Mul"]] * 2
    gelus = [nodes for kind, nodes in origins(timeline).values() if any("/gelu/Erf" in name for name in nodes)]
    assert [nodes[0].split("/")[1] for nodes in gelus] == ["blocks.0", "blocks.1"]


def test_a_fused_node_is_not_taken_for_the_models_own_of_the_same_name():
    found = origins(linked("two kinds of Gelu", "extended"))
    assert found["Gelu"] == (EXACT, ["Gelu"])
    assert found["Gelu_token_0"] == (DERIVED, ["div", "erf", "add", "mul", "halve"])


def test_a_bias_belongs_to_the_gelu_that_took_it():
    found = origins(linked("encoder of any length", "extended"))
    assert found["BiasGelu"][1][0] == "/blocks.0/up/Add"
    assert found["/blocks.0/up/MatMul"] == (EXACT, ["/blocks.0/up/MatMul"])


def test_reshapes_merged_behind_a_gemm_are_found_by_the_order_of_the_gemms():
    found = origins(linked("encoder, opset 17", "basic"))
    assert found["gemm_input_reshape"] == (INSERTED, [])
    merged = [nodes for name, (_, nodes) in found.items() if name.startswith("gemm_output") and "new" in name]
    assert sorted(merged)[:3] == [["/blocks.0/Reshape"], ["/blocks.0/Reshape_1"], ["/blocks.0/Reshape_2"]]


def test_quantised_operators_have_the_nodes_around_them():
    found = origins(linked("quantised residual", "extended"))
    kind, nodes = found["/conv3/Conv"]
    assert kind is DERIVED
    assert {"/conv3/Conv", "/conv3/Conv_output_0_QuantizeLinear", "conv3.weight_DequantizeLinear"} <= set(nodes)


def test_casts_that_ort_puts_in_are_told_from_the_models_own():
    found = origins(linked("half precision", "off"))
    assert found["InsertedPrecisionFreeCast_x"] == (INSERTED, [])
    unknown = {name for name, (kind, _) in found.items() if kind is LinkKind.NONE}
    assert unknown == {"Mul_12", "Less_11", "Where_13"}, "LeakyRelu is a function, and ORT put its body in"


def test_nodes_of_subgraphs_and_functions():
    found = origins(linked("control flow", "basic"))
    assert found["conv_in_then"] == (EXACT, ["conv_in_then"])
    assert found["Loop_3"] == (EXACT, ["Loop_3"])
    assert found["Relu_1"] == (LinkKind.NONE, []), "the second node of the branch, or of the loop"
    inlined = origins(linked("functions", "basic"))
    assert inlined["_inlfunc_Twice_double"] == inlined["_inlfunc_Twice_token_0_double"] == (DERIVED, ["double"])
    assert inlined["Relu_5"] == (LinkKind.NONE, []), "unnamed in a function: the profile does not say of which"


def test_an_optimised_model_alone_is_a_model_too():
    run = ran("convolutions", "all")
    timeline = load_files(ort=[run.profile], models=[run.optimised])
    assert set(kinds(timeline)) == {EXACT}


def test_an_optimised_model_tells_what_names_leave_open():
    run = ran("encoder, opset 12", "extended")
    alone = origins(load_files(ort=[run.profile], models=[run.model]))
    both = origins(load_files(ort=[run.profile], models=[run.optimised, run.model]))
    assert both["Gelu"] == alone["Gelu"]


@pytest.mark.parametrize("level", ["basic", "extended", "all"])
@pytest.mark.parametrize("name", sorted(set(MODELS) - {"layouts"}))
def test_names_tell_of_fused_nodes_what_the_optimised_model_tells(name, level):
    alone, both = linked(name, level), linked(name, level, with_optimised=True)
    assert {one: nodes for one, (kind, nodes) in origins(alone).items() if kind is DERIVED} == {
        one: nodes for one, (kind, nodes) in origins(both).items() if kind is DERIVED
    }


def test_the_optimised_model_tells_more_where_a_transpose_became_part_of_a_reordering():
    assert origins(linked("layouts", "all"))["p_nchwc"] == (DERIVED, ["pool"])
    found = origins(linked("layouts", "all", with_optimised=True))
    assert found["p_nchwc"] == (DERIVED, ["to_nchw_again", "pool"])


def test_the_model_of_another_program_is_refused():
    with pytest.raises(UsageError, match=r"model\.onnx: no session here ran it"):
        load_files(ort=[ran("convolutions", "all").profile], models=[ran("products", "off").model])


def test_each_session_finds_its_own_model():
    runs = [ran("convolutions", "all"), ran("products", "all")]
    timeline = load_files(ort=[run.profile for run in runs], models=[run.model for run in reversed(runs)])
    models = {
        timeline.names[name]: timeline.models[model].path
        for name, model in zip(timeline.nodes.name, timeline.model_links.model, strict=True)
    }
    assert models["r1_nchwc"] == str(runs[0].model)
    assert models["gemm"] == str(runs[1].model)


def test_weights_are_those_of_all_fused_nodes():
    timeline = linked("convolutions", "all")
    rows = {timeline.names[name]: row for row, name in enumerate(timeline.nodes.name)}
    links, model = timeline.model_links, timeline.models[0]
    assert links.weight_bytes[rows["r1_nchwc"]] == 4 * (16 * 3 * 3 * 3 + 4 * 16)
    assert links.weight_bytes[rows["c2_nchwc"]] == 4 * 16 * 16 * 3 * 3
    assert links.weight_bytes[rows["ReorderInput"]] == -1
    assert model.names[model.values.name[links.output[rows["r1_nchwc"]]]] == "r1"


@pytest.mark.parametrize("name", ["set-providers", "healthy", "missing-wait"])
def test_a_capture_on_a_gpu(name):
    timeline = load_bundle(DATA / "h100-examples" / f"{name}.ortprobe", models=[write_model()])
    assert set(kinds(timeline)) == {EXACT}
    assert (timeline.model_links.weight_bytes > 0).sum() == 9 * len(timeline.sessions)
