"""Exports of Nsight Systems: a real one, and torch traces rewritten as such, which must say what the traces say."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sqlite3
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from captures import DATA
from nsight_export import NEWEST, SCHEMAS, VERSIONS, Export

import ortprobe
from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.trust.claims import Claim
from ortprobe.bundle import HOOK_LOG_NAME, SessionCreated, Window, read_bundle
from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.ingest import load_bundle, load_files
from ortprobe.ingest.sources.files import TraceFile
from ortprobe.ingest.sources.hook_log import cupti_threads
from ortprobe.ingest.sources.kineto import read_kineto
from ortprobe.rules import judge
from ortprobe.timeline import DEVICE_WORK, LEGACY_STREAM, NONE, Kind, ProblemKind, SourceKind, Timeline
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


def exported(path: Path, *without: str, version: str = NEWEST) -> Path:
    """The bundle's torch trace as a version of Nsight Systems would have recorded the process."""
    records = read_bundle(BUNDLE).records
    (window,) = (record.file for record in records if isinstance(record, Window))
    file = next(one for one in (BUNDLE / window, BUNDLE / f"{window}.gz") if one.exists())
    threads = cupti_threads(records)
    export = Export(version=version, without=without, thread_of=lambda thread: threads.get(thread, thread))
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


@pytest.mark.parametrize("version", VERSIONS)
def test_exports_of_each_version_say_the_same(tmp_path, both, version):
    """In the tables that each has: without `eventSyncId` before 2025, with other tables of contexts and of metadata in
    2022, with wait kinds as documented before 2025 and as seen in 2025."""
    export = exported(tmp_path / "x.sqlite", version=version)
    analyses, torch = Analyses(load_bundle(without_trace(tmp_path), nsys=[export])), both[0]
    timeline = analyses.timeline
    assert not timeline.problems
    assert timeline.capture.versions["Nsight Systems"] == version
    assert kernels_by_node(timeline) == kernels_by_node(torch.timeline)
    assert analyses.integrity.sync_resolved == analyses.integrity.sync_calls == torch.integrity.sync_calls
    assert [each.title for each in judge(analyses).findings] == [each.title for each in judge(torch).findings]
    assert analyses.idle.devices[0].busy_ns == torch.idle.devices[0].busy_ns
    assert {lane.blocking for lane in timeline.lanes if lane.stream == LEGACY_STREAM} == {True}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_profile_is_laid_over_an_export_of_each_version(tmp_path, both, version):
    """By the session's epoch and what `get_profiling_start_time_ns()` said, or by fitting launches into nodes."""
    export = exported(tmp_path / "x.sqlite", version=version)
    (profile,), (trace,) = BUNDLE.glob("ort-*"), BUNDLE.glob("torch-*")
    start_ns = next(one.profile_start_ns for one in read_bundle(BUNDLE).records if isinstance(one, SessionCreated))
    for ort in (f"{profile}@{start_ns}", str(profile)):
        found = kernels_by_node(load_files(ort=[ort], nsys=[export]))
        assert found == kernels_by_node(load_files(ort=[ort], torch=[trace]))
        assert sum(number for (node, _), number in found.items() if node != NONE) == 962


@pytest.mark.parametrize(
    ("schema", "says"),
    [("4.0.0", "schema 4.0.0, and ortprobe reads those up to 3"), ("17.2", "reads those up to 3")],
)
def test_a_schema_of_the_future_is_refused(tmp_path, schema, says):
    path = exported(tmp_path / "x.sqlite")
    with sqlite3.connect(path) as file:
        file.execute("UPDATE META_DATA_EXPORT SET value = ? WHERE name = 'EXPORT_SCHEMA_VERSION'", (schema,))
    with pytest.raises(UnreadableInput, match=says) as refused:
        ortprobe.load(nsys=[path])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("column", ["RUNTIME.globalTid", "RUNTIME.nameId", "KERNEL.correlationId", "MEMCPY.bytes"])
def test_tables_of_another_age_are_refused(tmp_path, column):
    table, _, name = column.partition(".")
    path = exported(tmp_path / "x.sqlite", f"CUPTI_ACTIVITY_KIND_{column}")
    with pytest.raises(UnreadableInput, match=f"CUPTI_ACTIVITY_KIND_{table} has no column {name}"):
        ortprobe.load(nsys=[path])


def test_an_export_of_no_stated_version_is_read(tmp_path):
    timeline = load_files(nsys=[exported(tmp_path / "x.sqlite", "META_DATA_EXPORT")])
    assert not timeline.problems or timeline.problems[0].kind is ProblemKind.NO_ORT_PROFILE


def test_several_processes_without_process_ids_are_not_told_apart_by_guessing(tmp_path):
    columns = [f"CUPTI_ACTIVITY_KIND_{table}.globalPid" for table in DEVICE_TABLES]
    path = exported(tmp_path / "x.sqlite", *columns)
    with sqlite3.connect(path) as file:
        file.execute(
            "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME SELECT start, end, eventClass, globalTid + (1 << 24), "
            "correlationId, nameId, returnValue, callchainId FROM CUPTI_ACTIVITY_KIND_RUNTIME LIMIT 1"
        )
    timeline = load_files(nsys=[path])
    (problem,) = (each for each in timeline.problems if each.kind is ProblemKind.UNREADABLE_EVENTS)
    assert "does not say which of the processes" in problem.detail
    assert not len(timeline.device_ops.span)
    assert Claim.GPU_TIME in {each.claim for each in Analyses(timeline).integrity.objections}


def test_without_process_ids_all_is_of_the_process_that_called(tmp_path, both):
    columns = [f"CUPTI_ACTIVITY_KIND_{table}.globalPid" for table in ("KERNEL", "MEMCPY", "MEMSET")]
    export = exported(tmp_path / "old.sqlite", *columns)
    (device,) = Analyses(load_bundle(without_trace(tmp_path), nsys=[export])).idle.devices
    assert device.busy_ns == both[0].idle.devices[0].busy_ns


def test_without_records_of_events_stream_waits_say_so(tmp_path):
    export = exported(tmp_path / "x.sqlite", "CUPTI_ACTIVITY_KIND_CUDA_EVENT")
    timeline = load_bundle(without_trace(tmp_path), nsys=[export])
    assert any("holds no record of an event" in problem.detail for problem in timeline.problems)
    assert not any(finding.code == "Y6" for finding in judge(Analyses(timeline)).findings)


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


def test_the_numbers_of_iterations_are_not_those_of_runs(recorded):
    names = annotations(recorded[1].timeline)
    runs = {name: number for name, number in names.items() if name.startswith("ortprobe.run#")}
    assert runs == {f"ortprobe.run#{number}": 1 for number in range(160)}
    assert names["ortprobe:iteration"] == 159


def test_runs_lie_in_iterations(recorded):
    """One each; the program has two loops, and the first pass of the second comes back to no line of it."""
    timeline = recorded[1].timeline
    spans, runs = timeline.spans, timeline.runs
    marks = spans.of_kind(Kind.ANNOTATION)
    iterations = marks[[timeline.name_of(span) == "ortprobe:iteration" for span in marks.tolist()]]
    around = (spans.start_ns[iterations] <= runs.start_ns[:, None]) & (runs.end_ns[:, None] <= spans.end_ns[iterations])
    assert around.sum(axis=1).tolist() == [1] * 160
    assert around.sum(axis=0).tolist() == [1] * 79 + [2] + [1] * 79


def test_trials_of_the_hooks_are_no_runs(tmp_path):
    """`ortprobe nsys --whole` records them after the end of the program: in the category of runs, with a number."""
    path = tmp_path / "x.sqlite"
    path.write_bytes(gzip.decompress((RECORDED / "missing-wait.sqlite.gz").read_bytes()))
    with sqlite3.connect(path) as file:
        file.execute("UPDATE StringIds SET value = 'ortprobe_hook_cost' WHERE value = 'iteration'")
    names = annotations(load_bundle(RECORDED / "missing-wait-nsys.zip", nsys=[path]))
    assert names["ortprobe:ortprobe_hook_cost"] == 159
    assert sum(number for name, number in names.items() if name.startswith("ortprobe.run#")) == 160


def annotations(timeline: Timeline) -> Counter[str]:
    return Counter(timeline.name_of(span) for span in timeline.spans.of_kind(Kind.ANNOTATION).tolist())


def test_idle_time_begins_with_cuda_and_not_where_nsys_began_to_record(recorded):
    """The range while which nsys records is open while the program still imports torch."""
    timeline = recorded[1].timeline
    assert "ortprobe:program" not in annotations(timeline)
    (device,) = recorded[1].idle.devices
    calls = timeline.spans.start_ns[timeline.spans.of_kind(Kind.CUDA_CALL, Kind.OVERHEAD)]
    assert device.window_ns < 1_600_000_000
    assert int(calls.min()) == int(timeline.spans.start_ns[timeline.spans.source == 2].min())


def test_what_a_range_leaves_open_is_no_loss_where_all_buffers_came(tmp_path):
    """2025.3 says "Not all CUDA events might have been collected" of each recording that a range ends."""
    path = tmp_path / "x.sqlite"
    path.write_bytes(gzip.decompress((RECORDED / "missing-wait.sqlite.gz").read_bytes()))
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM DIAGNOSTIC_EVENT WHERE text LIKE 'Number of CUPTI events produced%'")
    timeline = load_bundle(RECORDED / "missing-wait-nsys.zip", nsys=[path])
    said = [problem.detail for problem in timeline.problems]
    assert len(said) == 2
    assert all("might have been collected" in detail for detail in said)


def test_nodes_of_a_recording_have_the_kernels_that_our_own_capture_finds(recorded):
    """In the 18 runs that both watched with ORT's profile, the first two left out."""
    by_node = []
    for analyses in recorded:
        timeline = analyses.timeline
        work = np.flatnonzero(np.isin(timeline.spans.kind, DEVICE_WORK) & np.isin(timeline.links.run, range(2, 20)))
        nodes = timeline.links.node[work]
        names = [timeline.names[timeline.nodes.name[node]] if node != NONE else "" for node in nodes.tolist()]
        by_node.append(Counter(zip(names, map(timeline.name_of, work.tolist()), strict=True)))
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


OLD = DATA / "nsys-old"
KNOWN = json.loads((OLD / "known.json").read_text())


def with_a_call(folder: Path, version: str, process: int) -> Path:
    """A real recording of ranges, with a call of CUDA put in: an export without one is refused."""
    path = folder / "ranges.sqlite"
    path.write_bytes(gzip.decompress((OLD / f"ranges-{version}.sqlite.gz").read_bytes()))
    (calls,) = re.findall(r"CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME .*", (SCHEMAS / f"{version}.sql").read_text())
    with sqlite3.connect(path) as file:
        file.execute(calls)
        file.execute(
            "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (1, 2, 0, ?, 1, 1, 0, NULL)", (process << 24 | process,)
        )
    return path


@pytest.mark.parametrize("version", KNOWN)
def test_ranges_lie_where_the_programs_own_clock_saw_them(tmp_path, version):
    process = KNOWN[version][0]["process"]
    timeline = load_files(nsys=[with_a_call(tmp_path, version, process)])
    ranges = timeline.spans.of_kind(Kind.ANNOTATION).tolist()
    runs = [span for span in ranges if timeline.name_of(span).startswith("ortprobe.run#")]
    for span, known in zip(runs, KNOWN[version], strict=True):
        start_ns, end_ns = int(timeline.spans.start_ns[span]), int(timeline.spans.end_ns[span])
        assert timeline.name_of(span) == f"ortprobe.run#{known['run']}"
        assert timeline.lane_of(span).thread == known["thread"]
        assert known["before_ns"] < start_ns < known["before_ns"] + 500_000
        assert known["after_ns"] - 500_000 < end_ns < known["after_ns"]


@pytest.mark.parametrize("version", KNOWN)
def test_ranges_of_other_processes_are_not_taken_for_its_own(tmp_path, version):
    """Domains are numbered by each process; a forked child's ranges are not recorded."""
    process = KNOWN[version][0]["process"]
    timeline = load_files(nsys=[with_a_call(tmp_path, version, process)])
    ranges = timeline.spans.of_kind(Kind.ANNOTATION).tolist()
    names = Counter(re.sub("#.*", "", timeline.name_of(span)) for span in ranges)
    assert names == {"ortprobe.run": 6, "plain": 2, "other:start-end": 2}
    assert {timeline.lane_of(span).process for span in ranges} == {process}


@pytest.mark.parametrize("version", KNOWN)
def test_an_nsys_older_than_the_driver_recorded_no_kernel_and_that_is_said(version):
    """Real exports of 2022.4 and 2023.4 with driver 580, of a program that launched 820 kernels."""
    report = ortprobe.load(nsys=[OLD / f"stopped-{version}.sqlite.gz"])
    (problem,) = (each for each in report.timeline.problems if each.kind is ProblemKind.NOT_CAPTURED)
    assert f"Nsight Systems {version}" in problem.detail
    assert "older than the GPU's driver" in problem.detail
    assert report.verdict.startswith("no verdict")
