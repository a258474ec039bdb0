from __future__ import annotations

import captures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.operand_bytes import ELEMENT_BITS, tensors_bytes
from ortprobe.timeline import NONE


@pytest.mark.parametrize("name", captures.WATCHED)
def test_shapes_share_the_executions_and_the_work_launched_in_them(name):
    timeline = captures.watched(name)
    shapes = Analyses(timeline).node_shapes
    executed, work = timeline.node_spans, timeline.device_ops.span
    assert shapes.executions.sum() == len(executed.span)
    assert shapes.host_ns.sum() == timeline.spans.duration_ns[executed.span].sum()
    inside = work[timeline.links.node_span[work] != NONE]
    assert np.maximum(shapes.device_ns, 0).sum() == timeline.spans.duration_ns[inside].sum()
    for row in range(len(shapes.node)):
        first = np.flatnonzero((executed.node == shapes.node[row]) & (executed.input_shapes == shapes.shapes[row]))[0]
        assert shapes.first_span[row] == executed.span[first]


def test_operands_are_the_inputs_with_their_initialisers_and_the_outputs():
    timeline = captures.resnet()
    analyses = Analyses(timeline)
    node = next(each.node for each in analyses.nodes.nodes if each.name == "/conv1/Conv")
    (row,) = analyses.node_shapes.of(node)
    once = 4 * (8 * 3 * 224 * 224 + 64 * 3 * 7 * 7 + 64 + 8 * 64 * 112 * 112)
    assert analyses.node_shapes.watched[row] == 5
    assert analyses.node_shapes.operand_bytes[row] == once * 5


def test_bandwidth_is_the_size_of_the_operands_over_device_time(tmp_path):
    scene = Scene().torch_op("aten::add", 0, 2).launch("k", 15, 30, 4, 1).launch("k", 45, 60, 16, 2)
    profile = scene.profile().run(5, 200)
    profile.node("a", 10, 20, shape=(10, 100)).node("a", 40, 20, shape=(40, 100))
    profile.node("g", 70, 5, op="Gather", index=1, shape=(10, 100))
    analyses = Analyses(scene.load(tmp_path))
    shapes, names = analyses.node_shapes, analyses.timeline.names
    assert [names[each] for each in shapes.shapes[shapes.of(0)].tolist()] == [
        '[{"float": [10, 100]}]', '[{"float": [40, 100]}]',
    ]  # fmt: skip
    assert shapes.device_ns.tolist() == [4_000, 16_000, 0]
    outputs = analyses.timeline.node_spans.output_bytes[:2].sum()
    assert shapes.bandwidth(2).tolist() == [(4_000 + 16_000 + outputs) * 50_000, NONE]


@given(st.lists(st.tuples(st.sampled_from(sorted(ELEMENT_BITS)), st.lists(st.integers(0, 9), max_size=4)), min_size=1))
def test_tensors_add_up(tensors):
    text = "[" + ",".join(f'{{"{kind}":{shape}}}' for kind, shape in tensors) + "]"
    assert tensors_bytes(text) == sum(-(-ELEMENT_BITS[kind] * int(np.prod(shape)) // 8) for kind, shape in tensors)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[{}]",
        "{}",
        '[{"string":[2]}]',
        '[{"float":[-1]}]',
        '[{"float":["N"]}]',
        '[{"float":[9000000000,9000000000]}]',
    ],
)
def test_what_has_no_size_is_not_measured(text):
    assert tensors_bytes(text) is None
