"""What charts show, against figures that are computed from the recordings another way."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.charts import Chart, build_charts
from ortprobe.report.report import Report
from ortprobe.rules import Judgement, judge
from ortprobe.timeline import Kind, Problem, ProblemKind
from ortprobe.units import format_ns

EXAMPLES = ("set-providers", "missing-wait", "healthy")


@cache
def judged(name: str) -> Judgement:
    return judge(captures.example(name))


def chart(judgement: Judgement, key: str) -> Chart:
    return next(each for each in build_charts(judgement) if each.key == key)


def traces(judgement: Judgement, key: str) -> list[dict]:
    figure = chart(judgement, key).figure
    assert figure is not None
    return figure["data"]


def spoilt(kind: ProblemKind, **extent: int) -> Judgement:
    timeline = captures.example("healthy").timeline
    count = 1 if extent else 100_000
    return judge(Analyses(replace(timeline, problems=(Problem(kind=kind, detail="planted", count=count, **extent),))))


def busy_by_sweep(judgement: Judgement) -> int:
    """Busy time in ns by counting what is under way at each edge."""
    timeline = judgement.analyses.timeline
    edges = sorted(
        edge
        for span in timeline.device_ops.span.tolist()
        for edge in ((int(timeline.spans.start_ns[span]), 1), (int(timeline.spans.end_ns[span]), -1))
    )
    busy_ns, under_way, since_ns = 0, 0, 0
    for time_ns, change in edges:
        busy_ns += (time_ns - since_ns) if under_way else 0
        under_way, since_ns = under_way + change, time_ns
    return busy_ns


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_steps_of_utilisation_hold_all_busy_time(name: str):
    area_ns = 0.0
    for trace in traces(judged(name), "utilisation"):
        x_ms, share = np.array(trace["x"]), np.array(trace["y"])
        edges_ms = np.concatenate((x_ms[:1], (x_ms[1:-2] + x_ms[2:-1]) / 2, x_ms[-1:]))
        area_ns += float((np.diff(edges_ms) * share[1:-1]).sum()) * 1e6 / 100
    assert area_ns == pytest.approx(busy_by_sweep(judged(name)), rel=1e-3)


def test_utilisation_has_nothing_to_say_of_what_nobody_watched():
    timeline = captures.example("set-providers").timeline
    gpu = np.isin(timeline.spans.kind, (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET))
    assert gpu.any()
    first, second = traces(judged("set-providers"), "utilisation")
    torch = [number for number, source in enumerate(timeline.sources) if source.kind.value.startswith("torch")]
    for trace, source in zip((first, second), torch, strict=True):
        mine = timeline.spans.source == source
        bounds = timeline.spans.start_ns[mine].min(), timeline.spans.end_ns[mine].max()
        assert [trace["x"][0], trace["x"][-1]] == pytest.approx(
            [(int(bound) - timeline.start_ns) / 1e6 for bound in bounds], abs=1e-5
        )
    unwatched = format_ns(1e6 * (second["x"][0] - first["x"][-1]))
    summary = chart(judged("set-providers"), "utilisation").summary
    assert f"between the 2 recorded stretches nobody watched for {unwatched}" in summary


def test_bins_lead_to_what_fills_them():
    judgement = judged("missing-wait")
    timeline = judgement.analyses.timeline
    (device,) = judgement.analyses.idle.devices
    (trace,) = traces(judgement, "utilisation")
    kinds = set()
    half_ms = (trace["x"][2] - trace["x"][1]) / 2
    for x_ms, share, key in list(zip(trace["x"], trace["y"], trace["customdata"], strict=True))[1:-1]:
        number = int(key[1:])
        if key[0] == "i":
            start_ns, end_ns = device.columns.piece_start_ns[number], device.columns.piece_end_ns[number]
        else:
            start_ns, end_ns = timeline.spans.start_ns[number], timeline.spans.end_ns[number]
            assert timeline.spans.kind[number] in (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET)
        assert (start_ns - timeline.start_ns) / 1e6 < x_ms + half_ms
        assert (end_ns - timeline.start_ns) / 1e6 > x_ms - half_ms
        assert (key[0] == "i") == (share < 50)
        kinds.add(key[0])
    assert kinds == {"i", "s"}


def test_bins_in_which_work_was_lost_are_gaps():
    timeline = captures.example("healthy").timeline
    (whole,) = traces(judged("healthy"), "utilisation")
    start_ns, end_ns = int(timeline.runs.start_ns[20]), int(timeline.runs.end_ns[25])
    judgement = spoilt(ProblemKind.LOST_TAIL, start_ns=start_ns, end_ns=end_ns)
    before, after = traces(judgement, "utilisation")
    bin_ms = whole["x"][2] - whole["x"][1]
    assert before["x"][-1] == pytest.approx((start_ns - timeline.start_ns) / 1e6, abs=bin_ms)
    assert before["x"][-1] <= (start_ns - timeline.start_ns) / 1e6
    assert after["x"][0] >= (end_ns - timeline.start_ns) / 1e6
    assert "bins are left out, in which work was lost" in chart(judgement, "utilisation").summary


def test_devices_have_curves_of_their_own(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1, device=0).launch("b", 12, 50, 50, 2, device=1)
    judgement = judge(Analyses(scene.load(tmp_path)))
    drawn = {trace["name"]: (max(trace["y"]), trace["line"]["dash"]) for trace in traces(judgement, "utilisation")}
    assert set(drawn) == {"GPU 0", "GPU 1"}
    assert drawn["GPU 0"] != drawn["GPU 1"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_point_of_a_latency_curve_is_the_share_of_runs_up_to_it(name: str):
    runs = Report(judged(name)).runs()
    steady = runs[(runs.index_in_session > 0) & ~runs.failed]
    drawn = traces(judged(name), "distribution")
    assert [trace["name"] for trace in drawn] == [
        f"{label} ({len(group)})"
        for label, group in (
            ("not traced", steady[~steady.ort_profiled & ~steady.torch_profiled]),
            ("torch profiler", steady[~steady.ort_profiled & steady.torch_profiled]),
            ("ORT profile + torch profiler", steady[steady.ort_profiled & steady.torch_profiled]),
        )
    ]
    for trace in drawn:
        rows = [int(key[1:]) for key in trace["customdata"]]
        attached = runs.loc[rows[0], ["ort_profiled", "torch_profiled"]]
        group = steady[(steady[["ort_profiled", "torch_profiled"]] == attached).all(axis=1)].latency_ns
        for x_ms, share, row in list(zip(trace["x"], trace["y"], rows, strict=True))[1:]:
            assert x_ms * 1e6 == pytest.approx(runs.latency_ns[row])
            rank = int((group.sort_values().to_numpy() <= runs.latency_ns[row]).sum())
            tied = int((group == runs.latency_ns[row]).sum())
            assert 100 * (rank - tied) / len(group) - 0.01 < share <= 100 * rank / len(group) + 0.01
        assert (trace["y"][0], trace["y"][-1]) == (0, 100)
        assert set(rows) <= set(group.index)


def test_an_axis_is_logarithmic_where_runs_differ_by_much(tmp_path):
    types = {}
    for slow_us in (30, 4_000):
        scene = Scene()
        profile = scene.profile()
        for number in range(6):
            profile.run(10_000 * number, slow_us if number == 4 else 10)
        judgement = judge(Analyses(scene.load(tmp_path / str(slow_us))))
        types[slow_us] = chart(judgement, "distribution").figure["layout"]["xaxis"].get("type")
    assert types == {30: None, 4_000: "log"}


def test_host_and_gpu_time_of_nodes_are_of_the_same_runs():
    judgement = judged("healthy")
    timeline, runs = judgement.analyses.timeline, Report(judgement).runs()
    chosen = runs.index[runs.ort_profiled & runs.torch_profiled & (runs.index_in_session > 0) & ~runs.failed]
    host, gpu = traces(judgement, "node-hosts")
    spans, links = timeline.spans, timeline.links
    assert len(host["y"]) == 16
    for label, host_ms, gpu_ms, on_host, on_gpu in zip(
        host["y"], host["x"], gpu["x"], host["customdata"], gpu["customdata"], strict=True
    ):
        named = [node for node in range(len(timeline.nodes)) if timeline.names[timeline.nodes.name[node]] == label]
        mine = np.isin(links.node, named) & np.isin(links.run, chosen)
        on_lane = {kind: mine & (spans.kind == kind) for kind in (Kind.ORT_NODE, Kind.KERNEL)}
        other = mine & np.isin(spans.kind, (Kind.MEMCPY, Kind.MEMSET))
        assert host_ms * 1e6 == pytest.approx(spans.duration_ns[on_lane[Kind.ORT_NODE]].sum() / len(chosen), abs=1)
        device_ns = spans.duration_ns[on_lane[Kind.KERNEL] | other]
        assert gpu_ms * 1e6 == pytest.approx(device_ns.sum() / len(chosen), abs=1)
        for key, kinds in ((on_host, (Kind.ORT_NODE,)), (on_gpu, (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET))):
            if key:
                shown = int(key[1:])
                assert mine[shown]
                assert spans.kind[shown] in kinds
                assert spans.duration_ns[shown] == spans.duration_ns[mine & np.isin(spans.kind, kinds)].max()
        assert bool(on_gpu) == bool(len(device_ns))
    assert f"Mean over {len(chosen)} steady runs" in chart(judgement, "node-hosts").summary


def test_nodes_on_the_cpu_are_marked_and_have_no_work_on_the_gpu():
    timeline = captures.load_bundle(captures.DATA / "h100-workloads" / "encoder-cpu-nodes.ortprobe")
    host, gpu = traces(judge(Analyses(timeline)), "node-hosts")
    cpu = {
        timeline.names[timeline.nodes.name[node]]
        for node in range(len(timeline.nodes))
        if timeline.names[timeline.nodes.provider[node]] == "CPUExecutionProvider"
    }
    marked = {label.removesuffix(" (CPU)") for label in host["y"] if label.endswith(" (CPU)")}
    assert marked
    assert marked <= cpu
    assert not {label for label in host["y"] if not label.endswith(" (CPU)")} & cpu
    assert {x for label, x in zip(gpu["y"], gpu["x"], strict=True) if label.endswith(" (CPU)")} == {0}


def test_a_subgraphs_nodes_count_once_on_the_host():
    judgement = judge(Analyses(captures.recorded("flow")))
    timeline = judgement.analyses.timeline
    host, _ = traces(judgement, "node-hosts")
    runs = Report(judgement).runs()
    chosen = runs.index[runs.ort_profiled & runs.torch_profiled & (runs.index_in_session > 0)]
    execute_ns = timeline.spans.duration_ns[timeline.runs.execute_span[chosen]]
    executed = timeline.node_spans.span
    counted_twice = timeline.spans.duration_ns[executed[np.isin(timeline.links.run[executed], chosen)]].sum()
    assert len(host["y"]) < 16, "all nodes are drawn"
    assert sum(host["x"]) * 1e6 < execute_ns.mean() < counted_twice / len(chosen)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("utilisation", ProblemKind.LAUNCHES_WITHOUT_WORK),
        ("node-hosts", ProblemKind.CORRELATION_REUSED),
        ("distribution", ProblemKind.CLOCK_STEPPED),
        ("latency", ProblemKind.CLOCK_STEPPED),
    ],
)
def test_what_can_not_be_told_is_not_drawn(key: str, kind: ProblemKind):
    judgement = spoilt(kind)
    assert chart(judgement, key).figure is None
    assert "can't tell, because" in chart(judgement, key).summary
    assert chart(judged("healthy"), key).figure is not None


def test_charts_without_data_say_why(tmp_path):
    judgement = judge(Analyses(Scene().session(0, 0, 500).hook("run", 600, 40, session=0).load(tmp_path)))
    said = {each.key: each.summary for each in build_charts(judgement) if each.figure is None}
    assert said["utilisation"] == "No GPU trace in this capture, so nothing is known about busy time."
    assert said["distribution"] == "No run was captured but first ones and failed ones."
    assert "no profile that names the nodes" in said["node-hosts"]
    scene = Scene().launch("conv", 115, 120, 5, 1)
    scene.profile().load(0, 10).initialize(10, 50).run(100, 100).node("a", 110, 20)
    alone = chart(judge(Analyses(scene.load(tmp_path / "one"))), "node-hosts")
    assert (alone.figure, "watched no steady run together" in alone.summary) == (None, True)
