"""Exports of Nsight Systems: a real one, and torch traces rewritten as such, which must say what the traces say."""

from __future__ import annotations

import gzip
import re
import shutil
import sqlite3
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from captures import DATA
from nsight_export import Export

import ortprobe
from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import covered_ns
from ortprobe.bundle import HOOK_LOG_NAME, Window, read_bundle
from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.ingest import load_bundle, load_files
from ortprobe.ingest.sources.files import TraceFile
from ortprobe.ingest.sources.hook_log import cupti_threads
from ortprobe.ingest.sources.kineto import read_kineto
from ortprobe.rules import judge
from ortprobe.timeline import DEVICE_WORK, NONE, Kind, ProblemKind, SourceKind, Timeline
from ortprobe.timeline.intervals import union

REAL = DATA / "h100-nsys" / "capture.sqlite.gz"
BUNDLE = DATA / "h100-examples" / "missing-wait.ortprobe"
DEVICE_TABLES = ("KERNEL", "MEMCPY", "MEMSET", "SYNCHRONIZATION", "CUDA_EVENT")


@cache
def real() -> Timeline:
    return load_files(nsys=[REAL])


def without_trace(folder: Path) -> Path:
    """The bundle as a program leaves it under nsys: hooks and ORT's profile, and no torch trace."""
    bundle = folder / "program.ortprobe"
    shutil.copytree(BUNDLE, bundle)
    for trace in bundle.glob("torch*"):
        trace.unlink()
    log = bundle / HOOK_LOG_NAME
    lines = [line for line in log.read_bytes().splitlines(True) if b'"type":"window"' not in line]
    log.write_bytes(b"".join(lines))
    return bundle


def exported(path: Path, *without: str) -> Path:
    """The bundle's torch trace as Nsight Systems would have recorded the process."""
    records = read_bundle(BUNDLE).records
    (window,) = (record.file for record in records if isinstance(record, Window))
    file = next(one for one in (BUNDLE / window, BUNDLE / f"{window}.gz") if one.exists())
    threads = cupti_threads(records)
    export = Export(without=without, thread_of=lambda thread: threads.get(thread, thread))
    return export.write(path, [read_kineto(TraceFile.at(file))])


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Analyses, Analyses]:
    """The same program by torch's profiler, and by Nsight Systems over its bundle."""
    folder = tmp_path_factory.mktemp("nsight")
    export = exported(folder / "x.sqlite")
    return Analyses(load_bundle(BUNDLE)), Analyses(load_bundle(without_trace(folder), nsys=[export]))


def test_kernels_have_the_same_nodes(both):
    by_node = [kernels_by_node(each.timeline) for each in both]
    assert by_node[0] == by_node[1]
    assert sum(number for (node, _), number in by_node[1].items() if node != NONE) > 1900


def kernels_by_node(timeline: Timeline) -> Counter[tuple[int, str]]:
    work = np.flatnonzero(np.isin(timeline.spans.kind, DEVICE_WORK)).tolist()
    return Counter((int(timeline.links.node[span]), timeline.name_of(span)) for span in work)


def test_waits_races_and_busy_time_are_the_same(both):
    torch, nsight = both
    assert nsight.integrity.sync_calls == nsight.integrity.sync_resolved == torch.integrity.sync_calls
    assert [each.title for each in judge(nsight).findings] == [each.title for each in judge(torch).findings]
    (of_torch,), (of_nsight,) = torch.idle.devices, nsight.idle.devices
    assert (of_nsight.busy_ns, of_nsight.window_ns) == (of_torch.busy_ns, of_torch.window_ns)
    assert np.array_equal(nsight.timeline.runs.attached, torch.timeline.runs.attached)


def test_idle_time_has_the_same_causes_but_for_torch_operations_that_nsight_does_not_see(both):
    (of_torch,), (of_nsight,) = (each.idle.devices for each in both)
    differ = {
        cause.value
        for cause, idle_ns in of_torch.idle_by_cause.items()
        if of_nsight.idle_by_cause.get(cause, 0) != idle_ns
    }
    assert differ == {"torch-op", "python"}
    assert sum(of_torch.idle_by_cause.values()) == sum(of_nsight.idle_by_cause.values())


def test_the_marks_of_runs_bound_its_clock(both):
    assert not both[1].timeline.problems
    bounds = [bound for bound in both[1].timeline.clocks if bound.witnesses]
    assert bounds
    assert all(bound.low_ns <= 0 <= bound.high_ns for bound in bounds)


def test_an_export_of_another_process_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is of another run: of process 493"):
        load_bundle(without_trace(tmp_path), nsys=[REAL])


def test_a_recording_of_an_h100():
    timeline = real()
    kinds = Counter(Kind(kind).name for kind in timeline.spans.kind.tolist())
    assert (kinds["KERNEL"], kinds["MEMCPY"], kinds["MEMSET"], kinds["EVENT_RECORD"]) == (2345, 142, 6, 22)
    assert kinds["CUDA_CALL"] == 7906
    assert timeline.sources[0].kind is SourceKind.NSIGHT
    assert timeline.sources[0].process == 493
    assert timeline.capture.devices == ("NVIDIA H100 80GB HBM3",)
    assert timeline.capture.versions["Nsight Systems"].startswith("2025.3")
    ranges = Counter(timeline.name_of(span) for span in timeline.spans.of_kind(Kind.ANNOTATION).tolist())
    assert (ranges["ortprobe:iteration"], ranges["ortprobe:run"], ranges["ortprobe:set_providers"]) == (10, 10, 1)


def test_every_wait_of_the_h100_is_resolved():
    analyses = Analyses(real())
    assert analyses.integrity.sync_calls == analyses.integrity.sync_resolved == 137 + 10 + 31
    waits = real().waits
    on_event = waits.stream[waits.waited_stream != NONE]
    assert {7, 47} <= set(on_event.tolist())


def test_every_piece_of_work_of_the_h100_has_its_launch():
    timeline = real()
    work = np.isin(timeline.spans.kind, DEVICE_WORK)
    assert (timeline.links.launch[work] != NONE).all()


def test_streams_say_whether_they_wait_for_the_default_one():
    blocking = {lane.stream: lane.blocking for lane in real().lanes if lane.stream != NONE}
    assert blocking[7] is True
    assert blocking[29] is blocking[47] is False


def test_before_2025_waits_name_their_event_alone(tmp_path, both):
    columns = [f"CUPTI_ACTIVITY_KIND_{table}.eventSyncId" for table in ("SYNCHRONIZATION", "CUDA_EVENT")]
    export = exported(tmp_path / "old.sqlite", *columns)
    analyses = Analyses(load_bundle(without_trace(tmp_path), nsys=[export]))
    assert analyses.integrity.sync_resolved == both[0].integrity.sync_resolved
    assert [each.title for each in judge(analyses).findings] == [each.title for each in judge(both[0]).findings]


def test_without_process_ids_all_is_of_the_process_that_called(tmp_path, both):
    columns = [f"CUPTI_ACTIVITY_KIND_{table}.globalPid" for table in ("KERNEL", "MEMCPY", "MEMSET")]
    export = exported(tmp_path / "old.sqlite", *columns)
    (device,) = Analyses(load_bundle(without_trace(tmp_path), nsys=[export])).idle.devices
    assert device.busy_ns == both[0].idle.devices[0].busy_ns


def test_without_records_of_events_stream_waits_say_so(tmp_path):
    export = exported(tmp_path / "x.sqlite", "CUPTI_ACTIVITY_KIND_CUDA_EVENT")
    findings = judge(Analyses(load_bundle(without_trace(tmp_path), nsys=[export])))
    assert not any(finding.code == "Y6" for finding in findings.findings)


def test_without_synchronisation_records_nothing_is_said_about_order(tmp_path):
    export = exported(tmp_path / "x.sqlite", "CUPTI_ACTIVITY_KIND_SYNCHRONIZATION")
    timeline = load_bundle(without_trace(tmp_path), nsys=[export])
    assert not any(finding.code.startswith("Y") for finding in judge(Analyses(timeline)).findings)


def test_without_kernels_it_says_so(tmp_path):
    timeline = load_files(nsys=[exported(tmp_path / "x.sqlite", "CUPTI_ACTIVITY_KIND_KERNEL")])
    assert any(problem.kind is ProblemKind.NOT_CAPTURED for problem in timeline.problems)


def test_what_is_no_export_is_refused_in_one_line(tmp_path):
    garbage, cut, empty = tmp_path / "a.sqlite", tmp_path / "b.sqlite", tmp_path / "c.sqlite"
    garbage.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    whole = gzip.decompress(REAL.read_bytes())
    cut.write_bytes(whole[: len(whole) // 2])
    empty.write_bytes(b"")
    for path in (garbage, cut, empty, tmp_path / "none.sqlite", tmp_path, BUNDLE / "manifest.json"):
        with pytest.raises(UnreadableInput) as refused:
            ortprobe.load(nsys=[path])
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_another_database_is_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE photos (id INTEGER)")
    with pytest.raises(UnreadableInput, match="no export of Nsight Systems"):
        ortprobe.load(nsys=[path])


def test_views_of_a_file_are_never_run(tmp_path):
    path = exported(tmp_path / "x.sqlite", "CUPTI_ACTIVITY_KIND_KERNEL")
    with sqlite3.connect(path) as file:
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS start FROM n"
        file.execute(f"CREATE VIEW CUPTI_ACTIVITY_KIND_KERNEL AS {endless}")
    assert not len(load_files(nsys=[path]).spans.of_kind(Kind.KERNEL))


@pytest.mark.parametrize("value", ["'text'", "NULL", "9223372036854775807", "-9223372036854775808", "1e300", "x'00ff'"])
@pytest.mark.parametrize("table", ["KERNEL", "RUNTIME", "MEMCPY", "SYNCHRONIZATION", "CUDA_EVENT"])
def test_any_value_in_any_column_is_survived(tmp_path, table, value):
    path = exported(tmp_path / "x.sqlite")
    name = f"CUPTI_ACTIVITY_KIND_{table}"
    with sqlite3.connect(path) as file:
        for _, column, *_ in file.execute(f"PRAGMA table_info({name})").fetchall():
            file.execute(f'UPDATE {name} SET "{column}" = {value} WHERE rowid % 7 = 3')
    report = ortprobe.load(nsys=[path])
    assert report.verdict
    assert report.render("html")


def test_a_compressed_export_says_the_same(tmp_path):
    path = tmp_path / "capture.sqlite"
    path.write_bytes(gzip.decompress(REAL.read_bytes()))
    assert np.array_equal(load_files(nsys=[path]).spans.start_ns, real().spans.start_ns)
    assert [one.name for one in tmp_path.iterdir()] == ["capture.sqlite"]


def test_a_recording_that_only_nsys_can_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "x.nsys-rep").write_bytes(b"")
    with pytest.raises(UnreadableInput, match=r"nsys export --type sqlite x\.nsys-rep"):
        ortprobe.load(nsys=[tmp_path / "x.nsys-rep"])


RECORDED = DATA / "h200-nsys"


@pytest.fixture(scope="module")
def recorded() -> tuple[Analyses, Analyses]:
    """One program on an H200: by ortprobe's own capture, and in another process under Nsight Systems 2025.3."""
    own = load_bundle(RECORDED / "missing-wait-own.zip")
    nsys = load_bundle(RECORDED / "missing-wait-nsys.zip", nsys=[RECORDED / "missing-wait.sqlite.gz"])
    return Analyses(own), Analyses(nsys)


def test_a_recording_over_a_bundle_has_no_hole_and_a_bounded_clock(recorded):
    timeline = recorded[1].timeline
    assert timeline.problems == ()
    (bound,) = (each for each in timeline.clocks if timeline.sources[each.source].kind is SourceKind.NSIGHT)
    assert -50_000 < bound.low_ns <= 0 <= bound.high_ns < 50_000
    assert bound.witnesses > 7000
    assert recorded[1].integrity.sync_calls == recorded[1].integrity.sync_resolved == 500


def test_the_numbers_of_iterations_and_of_trials_of_the_hooks_are_not_those_of_runs(tmp_path, recorded):
    path = tmp_path / "x.sqlite"
    path.write_bytes(gzip.decompress((RECORDED / "missing-wait.sqlite.gz").read_bytes()))
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO StringIds (id, value) VALUES (999999, 'iteration')")
        columns = [column for _, column, *_ in file.execute("PRAGMA table_info(NVTX_EVENTS)").fetchall()]
        changed = {"start": "start - 50", "end": '"end" + 50', "textId": "999999", "int64Value": "int64Value + 1"}
        values = ", ".join(changed.get(column, f'"{column}"') for column in columns)
        (run,) = file.execute("SELECT id FROM StringIds WHERE value = 'run_with_iobinding'").fetchone()
        file.execute(f"INSERT INTO NVTX_EVENTS SELECT {values} FROM NVTX_EVENTS WHERE textId = {run}")
    before, timeline = recorded[1].timeline, load_bundle(RECORDED / "missing-wait-nsys.zip", nsys=[path])
    names = Counter(timeline.name_of(span) for span in timeline.spans.of_kind(Kind.ANNOTATION).tolist())
    runs = {name: number for name, number in names.items() if name.startswith("ortprobe.run#")}
    assert runs == {f"ortprobe.run#{number}": 1 for number in range(160)}
    assert (names["ortprobe:iteration"], names["ortprobe:ortprobe_hook_cost"]) == (160, 200)
    assert timeline.problems == before.problems
    assert [(one.low_ns, one.high_ns) for one in timeline.clocks] == [
        (one.low_ns, one.high_ns) for one in before.clocks
    ]


def test_nodes_of_a_recording_have_the_kernels_that_our_own_capture_finds(recorded):
    """In the 18 runs that both watched with ORT's profile, the first two left out. The arguments of templates are left
    out of the names of kernels: Nsight Systems writes them otherwise than torch."""
    by_node = []
    for analyses in recorded:
        timeline = analyses.timeline
        work = np.flatnonzero(np.isin(timeline.spans.kind, DEVICE_WORK) & np.isin(timeline.links.run, range(2, 20)))
        nodes = timeline.links.node[work]
        names = [timeline.names[timeline.nodes.name[node]] if node != NONE else "" for node in nodes.tolist()]
        kernels = [re.split("[<(]", timeline.name_of(span))[0] for span in work.tolist()]
        by_node.append(Counter(zip(names, kernels, strict=True)))
    assert by_node[0] == by_node[1]
    assert by_node[0].total() == 864


def test_a_recording_shows_the_races_that_our_own_capture_shows(recorded):
    own, nsys = (
        {each.code: [str(site) for site in each.where] for each in judge(analyses).findings} for analyses in recorded
    )
    assert own == nsys
    assert {"Y1", "B1"} <= set(nsys)


def test_the_gpu_was_as_busy_in_these_runs_as_in_those_that_our_own_capture_watched(recorded):
    """In two processes; from the begin of the third run to the end of the twentieth."""
    busy_ns = []
    for analyses in recorded:
        spans, runs = analyses.timeline.spans, analyses.timeline.runs
        work = spans.of_kind(*DEVICE_WORK)
        watched = runs.start_ns[2:3], runs.end_ns[19:20]
        busy_ns.append(int(covered_ns(union(spans.start_ns[work], spans.end_ns[work]), watched)[0]))
    assert busy_ns[1] == pytest.approx(busy_ns[0], rel=0.005)
