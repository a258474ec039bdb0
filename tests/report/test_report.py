"""The report as an object: tables that agree with each other and with the findings."""

from __future__ import annotations

from captures import RESNET
from onnx_models import ran
from scene import Scene

import ortprobe
from ortprobe.report.charts import build_charts


def resnet() -> ortprobe.Report:
    ort = [RESNET / "ort_a.json.gz", RESNET / "ort_b.json.gz"]
    return ortprobe.load(ort=ort, torch=[RESNET / "kineto.json.gz"])


def test_tables_tell_the_same_story():
    report = resnet()
    assert len(report.runs()) == 10
    assert report.sessions().re_init_cost_ns.isna().tolist() == [True, False]
    assert report.nodes().kernels.sum() == 2340
    assert report.runs().host_before_ns.isna().all(), "no hook saw the calls"
    (device,) = report.judgement.analyses.idle.devices
    assert report.idle().duration_ns.sum() == device.idle_ns
    assert report.idle().line.isna().all()
    assert len(report.waits()) == 110
    attribution = report.attribution()
    kernels = attribution[attribution.work == "kernel"]
    assert kernels["count"].tolist() == [2340, 2]
    assert kernels.node_by.dropna().tolist() == ["nested"]
    assert kernels.without_node.dropna().tolist() == ["torch-op"]
    busy = report.timeline.spans.duration_ns[report.timeline.device_ops.span].sum()
    assert attribution.device_ns.sum() == busy


def test_what_sessions_and_their_first_runs_cost_sums_up():
    report = resnet()
    sessions, parts = report.sessions(), report.first_runs()
    phases = sessions[["load_ns", "providers_ns", "initialize_ns"]].sum(axis=1)
    assert phases.tolist() == sessions.creation_ns.tolist() == [351_135_000, 132_092_000]
    assert sessions.upload_ns.isna().tolist() == [True, False], "no trace watched the first one being made"
    by_run = parts.groupby("run")
    assert by_run.more_ns.sum().tolist() == by_run.excess_ns.first().tolist()
    assert parts.groupby("session").more_ns.sum().tolist() == sessions.early_excess_ns.tolist()
    assert sessions.stale_ns.isna().all()


def test_a_run_of_no_microsecond_has_every_format(tmp_path):
    """ORT's profile counts whole microseconds."""
    scene = Scene()
    scene.profile().run(10, 0)
    report = ortprobe.load(ort=[scene.write_profile(tmp_path, 0)])
    for form in ("html", "json", "markdown", "text"):
        assert report.render(form)
    assert report.runs().latency_ns.tolist() == [0]


def test_of_very_many_runs_the_first_and_the_slow_ones_are_drawn(tmp_path):
    scene = Scene()
    profile = scene.profile()
    for number in range(8_000):
        profile.run(100 * number, 90 if number == 5_432 else 10)
    judgement = ortprobe.load(ort=[scene.write_profile(tmp_path, 0)]).judgement
    latency = next(chart for chart in build_charts(judgement) if chart.key == "latency")
    drawn = {key for trace in latency.figure["data"] for key in trace["customdata"]}
    assert {"r0", "r5432"} <= drawn
    assert 1_000 < len(drawn) < 8_000
    assert f"{len(drawn):,} of 8,000 runs are drawn" in latency.summary


def test_a_wait_that_no_lane_is_known_of_names_none(tmp_path):
    scene = Scene().launch("k", 0, 10, 20, 1).call("cudaStreamWaitEvent", 30, 1, 2)
    (waiter,) = ortprobe.load(torch=[scene.write_trace(tmp_path)]).waits().waiter
    assert waiter == "not recorded"


def test_an_empty_capture_has_empty_tables(tmp_path):
    bundle = Scene().hook("synchronize", 1, 1).write_bundle(tmp_path / "x.ortprobe")
    report = ortprobe.load(bundle)
    tables = [
        report.runs(),
        report.sessions(),
        report.first_runs(),
        report.nodes(),
        report.attribution(),
        report.waits(),
        report.idle(),
    ]
    assert not any(len(table) for table in tables)
    assert report.verdict.startswith("no verdict")


def test_nodes_have_their_names_of_before_where_the_model_is_there():
    run = ran("convolutions", "all")
    nodes = ortprobe.load(ort=[run.profile], models=[run.model]).nodes().set_index("name")
    assert nodes.origin["c2_nchwc"] == "/conv2 + /add2 + /relu2"
    assert nodes.origin["ReorderInput"] == "put in by ORT"
    assert nodes.weight_bytes["c2_nchwc"] == 4 * 16 * 16 * 3 * 3
    without = ortprobe.load(ort=[run.profile]).nodes()
    assert without.weight_bytes.isna().all()
    assert set(without.origin) == {""}
