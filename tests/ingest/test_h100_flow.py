"""Control flow, CUDA graphs and nodes on the CPU, as an H100 ran them."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
from captures import DATA

from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE, Kind, LinkedBy, LinkKind, Timeline
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES


@cache
def capture(name: str) -> Timeline:
    models = [DATA / "h100-flow.onnx"] if name == "flow" else []
    return load_bundle(DATA / f"h100-{name}.ortprobe", models)


def kernels_of_ort(timeline: Timeline) -> np.ndarray:
    kernels = timeline.spans.of_kind(Kind.KERNEL)
    return kernels[timeline.links.run[kernels] != NONE]


@pytest.mark.parametrize("name", ["flow", "graph"])
def test_every_kernel_of_ort_has_its_node(name):
    timeline = capture(name)
    kernels = kernels_of_ort(timeline)
    assert len(kernels) >= 400
    assert (timeline.links.node[kernels] != NONE).all()


@pytest.mark.parametrize("name", ["flow", "graph"])
def test_a_healthy_program_has_no_hole(name):
    stated = {problem.detail.partition(":")[0] for problem in capture(name).problems}
    assert stated <= {"cupti_stays"}, "which is what tracing a program with CUDA graphs costs it"


def test_replays_of_a_graph_get_the_nodes_of_the_pass_that_was_captured():
    timeline = capture("graph")
    spans, links = timeline.spans, timeline.links
    kernels = kernels_of_ort(timeline)
    replayed = np.array([timeline.name_of(int(links.launch[one])).startswith(GRAPH_LAUNCHES) for one in kernels])
    assert replayed.sum() == 40 * 120, "20 runs traced in full and 20 by torch's profiler, of 120 kernels each"
    assert (links.node_by[kernels[replayed]] == LinkedBy.SAME_SEQUENCE).all()
    assert (links.node_by[kernels[~replayed]] == LinkedBy.NESTED).all()
    seen = {(int(spans.name[one]), int(links.node[one])) for one in kernels[~replayed]}
    assert {(int(spans.name[one]), int(links.node[one])) for one in kernels[replayed]} <= seen


def test_both_branches_of_an_if_are_told_apart_where_no_profile_watched():
    timeline = capture("flow")
    links, kernels = timeline.links, kernels_of_ort(timeline)
    names = [timeline.names[timeline.nodes.name[node]] for node in links.node[kernels].tolist()]
    by_name = Counter(zip(names, links.node_by[kernels].tolist(), strict=True))
    for how in (LinkedBy.NESTED, LinkedBy.SAME_SEQUENCE):
        assert by_name["t_node", how] + by_name["e_node", how] == 20
        assert by_name["loop_add", how] == 4 * 20
    kernel_of = {timeline.name_of(one): name for one, name in zip(kernels.tolist(), names, strict=True)}
    assert all(("Exp" in kernel) == (name == "t_node") for kernel, name in kernel_of.items())
    assert all(("Neg" in kernel) == (name == "e_node") for kernel, name in kernel_of.items())


def test_its_nodes_are_those_of_the_model_file():
    timeline = capture("flow")
    names = [timeline.names[number] for number in timeline.nodes.name.tolist()]
    kinds = dict(zip(names, timeline.model_links.kind.tolist(), strict=True))
    assert {kinds[name] for name in ("sum", "if", "loop", "det_on_cpu", "t_node", "loop_add")} == {LinkKind.EXACT}
    assert {kind for name, kind in kinds.items() if "Memcpy" in name} <= {LinkKind.INSERTED}
