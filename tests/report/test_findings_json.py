from __future__ import annotations

import json

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.findings_json import findings_document, findings_json
from ortprobe.rules import judge
from ortprobe.timeline import Timeline


def document(timeline: Timeline) -> dict:
    return json.loads(findings_json(judge(Analyses(timeline))))


def test_the_summary_of_resnet():
    summary = document(captures.resnet())["summary"]
    assert (summary["runs"], summary["sessions"], summary["re_inits"]) == (10, 2, 1)
    assert summary["kernels"] == {
        "total": 2342, "of_ort": 2340, "with_node": 2340, "by": {"nested": 2340, "same_sequence": 0},
        "without_node": {"torch-op": 2},
    }  # fmt: skip
    assert summary["latency_ns"]["first"] == 445_412_000
    assert summary["latency_ns"]["p99"] is None
    assert summary["latency_ns"]["untraced_median"] is None
    (device,) = summary["devices"]
    assert sum(device["idle_by_cause"].values()) == device["idle_ns"]
    assert device["busy_ns"] + device["idle_ns"] == device["window_ns"]


def test_critical_paths_sum_and_changes_have_bounds():
    summary = document(captures.example("healthy").timeline)["summary"]
    path, what_if = summary["critical_path"], summary["what_if"]
    assert sum(path["by_kind"].values()) == path["latency_ns"]
    assert sum(path["host_by_cause"].values()) == path["by_kind"]["host"]
    assert what_if["error"] < 0.05
    assert what_if["changes"]
    for change in what_if["changes"]:
        assert change["low_ns"] <= change["pace_ns"] <= change["high_ns"]
    assert summary["without_re_inits"] == []


def test_the_lives_of_sessions():
    first, second = document(captures.resnet())["summary"]["session_lives"]
    assert (first["replaces"], second["replaces"], second["stale"]) == (None, 0, None)
    assert first["upload"] is None
    assert sum(phase["length_ns"] for phase in second["phases"].values()) == second["creation_ns"]
    assert second["re_init_cost_ns"] == second["creation_ns"] + second["early_excess_ns"]
    for run in second["early_runs"]:
        assert sum(run["parts_ns"].values()) + run["unexplained_ns"] == run["excess_ns"]


def test_idle_time_has_its_lines_and_streams_that_starved():
    (device,) = document(captures.example("missing-wait").timeline)["summary"]["devices"]
    times_ns = [line["time_ns"] for line in device["idle_by_line"]]
    assert len(times_ns) == 10
    assert times_ns == sorted(times_ns, reverse=True)
    assert device["idle_by_line"][0]["line"] == "ortprobe/examples/missing_wait.py:48"
    assert device["idle_by_line"][0]["next"] is None
    starved = next(stream for stream in device["streams"] if stream["stream"] == 29)
    assert starved["busy_ns"] + starved["starved_ns"] + starved["device_idle_ns"] == starved["life_ns"]
    assert sum(starved["starved_by_cause"].values()) == starved["starved_ns"]
    assert list(starved["meanwhile_ns"]) == ["7"]


def test_evidence_is_the_event_in_the_file_that_was_given():
    found = document(captures.resnet())["findings"][0]
    assert found["code"] == "S1"
    loading = found["evidence"][0]
    assert loading["source"].endswith("ort_b.json.gz")
    assert loading["end_ns"] > loading["start_ns"]
    assert loading["lane"].startswith("thread")
    assert isinstance(loading["row"], int)


def test_the_keys_are_those_that_others_read():
    whole = document(captures.resnet())
    assert list(whole) == ["schema_version", "verdict", "integrity", "overhead", "summary", "findings"]
    assert whole["schema_version"] == 1
    assert {"ok", "problems"} <= set(whole["integrity"])
    assert set(whole["findings"][0]) >= {
        "code", "severity", "title", "count", "cost_ns", "confidence", "where", "evidence", "fix"
    }  # fmt: skip


def test_what_nobody_measured_is_null(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 200, 10, session=0)
    summary = document(scene.load(tmp_path))["summary"]
    assert summary["kernels"] == dict.fromkeys(("total", "of_ort", "with_node", "by", "without_node"))
    assert {name for name, time_ns in summary["latency_ns"].items() if time_ns is not None} == {"first"}
    assert summary["latency_ns"]["first"] == 10_000
    assert set(summary["period_ns"].values()) == {None}
    assert summary["slowest_run"] is None
    assert summary["devices"] == []


def test_a_session_that_never_came_to_life_is_not_counted(tmp_path):
    scene = Scene().session(0, 0, 100, error="NoSuchFile").session(1, 200, 100).hook("run", 400, 10, session=1)
    assert document(scene.load(tmp_path))["summary"]["sessions"] == 1


def test_where_names_file_and_line(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 200, 10, session=0)
    scene.session(1, 1000, 100, reason="set_providers", replaces=0, site="dir with space/app.py:12")
    (found,) = document(scene.load(tmp_path))["findings"]
    assert found["where"] == [{"file": "dir with space/app.py", "line": 12}]


def test_the_document_is_plain_data():
    whole = findings_document(judge(Analyses(captures.healthy())))
    assert json.loads(json.dumps(whole)) == whole
