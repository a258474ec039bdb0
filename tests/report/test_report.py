"""The report as an object: tables that agree with each other and with the findings."""

from __future__ import annotations

from captures import RESNET

import ortprobe


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
    assert len(report.waits()) == 110


def test_an_empty_capture_has_empty_tables(tmp_path):
    from scene import Scene

    bundle = Scene().hook("synchronize", 1, 1).write_bundle(tmp_path / "x.ortprobe")
    report = ortprobe.load(bundle)
    tables = [report.runs(), report.sessions(), report.nodes(), report.waits(), report.idle()]
    assert [len(table) for table in tables] == [0] * 5
    assert report.verdict.startswith("no verdict")
