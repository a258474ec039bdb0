"""Damaged and hostile exports of Nsight Systems: each is read with its damage stated, or refused in one line, and no
race is claimed of a healthy program because what orders it can't be read."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from captures import DATA
from hostile import judged
from hypothesis import given
from hypothesis import strategies as st
from nsight_export import Export

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.bundle import HOOK_LOG_NAME, Window, read_bundle
from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.ingest import load_bundle, load_files
from ortprobe.ingest.sources.files import TraceFile
from ortprobe.ingest.sources.hook_log import cupti_threads
from ortprobe.ingest.sources.kineto import read_kineto
from ortprobe.ingest.sources.nsight.kernel_names import as_torch_spells_it
from ortprobe.rules import judge
from ortprobe.timeline import NONE, Kind, ProblemKind, Timeline
from tests.ingest.test_fuzz import random

HEALTHY = DATA / "h100-examples" / "healthy.ortprobe"
TWO_GPUS = DATA / "h200-two-gpus"
RECORDED = DATA / "h200-nsys"
RANGES = DATA / "nsys-old" / "ranges-2023.4.4.sqlite.gz"
PREFIX = "CUPTI_ACTIVITY_KIND_"
VALUES = (
    "NULL", "'x'", "''", "'12'", "x'00ff'", "1e300", "1.5", "0", "-1", "-5000000000000", "4294967295", "16777216",
    "9223372036854775807", "-9223372036854775808", "72057594037927936",
)  # fmt: skip
CHANGES = (
    'UPDATE "{table}" SET "{column}" = {value} WHERE rowid % 7 = 3', 'UPDATE "{table}" SET "{column}" = {value}',
    'UPDATE "{table}" SET "{column}" = -"{column}"', 'ALTER TABLE "{table}" DROP COLUMN "{column}"',
    'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO other', 'DELETE FROM "{table}"', 'DROP TABLE "{table}"',
    'INSERT INTO "{table}" SELECT * FROM "{table}"', 'CREATE INDEX "of {column}" ON "{table}" ("{column}")',
    'ALTER TABLE "{table}" RENAME TO other; CREATE VIEW "{table}" AS SELECT * FROM other',
    'CREATE TRIGGER t AFTER INSERT ON "{table}" BEGIN DELETE FROM "{table}"; END',
)  # fmt: skip


@cache
def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


@cache
def columns(path: Path) -> tuple[tuple[str, str], ...]:
    """Table and column, of all that a file has."""
    with closing(sqlite3.connect(":memory:")) as file:
        file.deserialize(content(path))
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return tuple((table, row[1]) for table in tables for row in file.execute(f'PRAGMA table_info("{table}")'))


def changed(path: Path, export: bytes, *scripts: str) -> Path:
    """The export after SQL; what SQLite refuses of it is left out."""
    path.write_bytes(export)
    with closing(sqlite3.connect(path)) as file:
        for script in scripts:
            with suppress(sqlite3.Error):
                file.executescript(script)
        file.commit()
    return path


@pytest.mark.parametrize("name", ["turns", "processes"])
@random
@given(data=st.data())
def test_an_export_that_was_changed_anywhere_is_read_or_refused(name: str, data: st.DataObject) -> None:
    export = TWO_GPUS / f"{name}.sqlite.gz"
    places = st.sampled_from(columns(export))
    changes = data.draw(
        st.lists(st.tuples(st.sampled_from(CHANGES), places, st.sampled_from(VALUES)), min_size=1, max_size=4)
    )
    scripts = [
        change.format(table=table, column=column, value=value) for change, (table, column), value in changes
    ]  # fmt: skip
    beside_bundle = data.draw(st.booleans()) and name == "turns"
    with TemporaryDirectory() as folder:
        path = changed(Path(folder) / "x.sqlite", content(export), *scripts)
        bundle = TWO_GPUS / "turns-nsys.zip"
        judged(lambda: load_bundle(bundle, nsys=[path]) if beside_bundle else load_files(nsys=[path]))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Timeline]:
    """A healthy program under Nsight Systems, from its bundle and its recording after some SQL."""
    folder = tmp_path_factory.mktemp("healthy")
    records = read_bundle(HEALTHY).records
    (window,) = (record.file for record in records if isinstance(record, Window))
    file = next(one for one in (HEALTHY / window, HEALTHY / f"{window}.gz") if one.exists())
    threads = cupti_threads(records)
    export = Export(thread_of=lambda thread: threads.get(thread, thread))
    recording = export.write(folder / "whole.sqlite", [read_kineto(TraceFile.at(file))]).read_bytes()
    bundle = folder / "program.ortprobe"
    shutil.copytree(HEALTHY, bundle, ignore=shutil.ignore_patterns("torch*"))
    log = bundle / HOOK_LOG_NAME
    log.write_bytes(b"".join(line for line in log.read_bytes().splitlines(True) if b'"type":"window"' not in line))
    return lambda *scripts: load_bundle(bundle, nsys=[changed(folder / "x.sqlite", recording, *scripts)])


def races(timeline: Timeline) -> list[str]:
    return [one.code for one in judge(Analyses(timeline)).findings if one.code.startswith(("Y1", "Y3", "Y4", "B1"))]


def test_the_healthy_program_has_no_race_that_can_be_told(healthy: Callable[..., Timeline]) -> None:
    timeline = healthy()
    assert not timeline.problems
    assert races(timeline) == []
    assert Analyses(timeline).integrity.can_say(Claim.ORDER).yes


@pytest.mark.parametrize("value", ["NULL", "'x'", "1e300", "-7"])
@pytest.mark.parametrize(
    "column",
    [
        "RUNTIME.nameId", "RUNTIME.start", "RUNTIME.globalTid", "KERNEL.deviceId", "KERNEL.streamId",
        "MEMCPY.globalPid", "SYNCHRONIZATION.streamId", "SYNCHRONIZATION.contextId", "SYNCHRONIZATION.syncType",
        "CUDA_EVENT.deviceId", "CUDA_EVENT.streamId",
    ],
)  # fmt: skip
def test_damage_to_what_orders_a_healthy_program_is_said_and_makes_no_race(
    healthy: Callable[..., Timeline], column: str, value: str
) -> None:
    table, _, name = column.partition(".")
    timeline = healthy(f"UPDATE {PREFIX}{table} SET {name} = {value} WHERE rowid % 3 = 1")
    assert races(timeline) == []
    integrity = Analyses(timeline).integrity
    if name not in ("contextId", "globalTid", "globalPid"):  # the only device and process are meant all the same
        assert timeline.problems or integrity.sync_resolved < integrity.sync_calls


def test_calls_whose_names_are_lost_may_have_waited(healthy: Callable[..., Timeline]) -> None:
    for script in ("DELETE FROM StringIds WHERE value LIKE 'cuda%Sync%'", "UPDATE StringIds SET value = -7"):
        timeline = healthy(script)
        assert any("calls of CUDA have no name" in problem.detail for problem in timeline.problems)
        assert not Analyses(timeline).integrity.can_say(Claim.ORDER).yes
        assert races(timeline) == []


def test_records_that_share_an_id_are_no_waits_record(healthy: Callable[..., Timeline]) -> None:
    waits = healthy("UPDATE CUPTI_ACTIVITY_KIND_CUDA_EVENT SET eventSyncId = 1").waits
    stated = healthy().waits
    assert (stated.record_correlation != NONE).any()
    with_id = healthy("UPDATE CUPTI_ACTIVITY_KIND_SYNCHRONIZATION SET eventSyncId = 1", "UPDATE "
                      "CUPTI_ACTIVITY_KIND_CUDA_EVENT SET eventSyncId = 1").waits  # fmt: skip
    assert (with_id.record_correlation == NONE).all()
    assert set(waits.record_correlation.tolist()) <= {*stated.record_correlation.tolist(), NONE}


def test_an_index_that_somebody_put_on_a_column_changes_nothing(tmp_path: Path) -> None:
    export = RECORDED / "missing-wait.sqlite.gz"
    tables = dict.fromkeys(table for table, _ in columns(export))
    indices = [f"CREATE INDEX 'of {table}.{of}' ON {table} ({of})" for table, of in columns(export) if table in tables]
    path = changed(tmp_path / "x.sqlite", content(export), *indices)
    plain = changed(tmp_path / "plain.sqlite", content(export))
    plain_ranges, ranges = (load_files(nsys=[one]) for one in (plain, path))
    for one, other in zip(names_and_starts(plain_ranges), names_and_starts(ranges), strict=True):
        assert one == other
    assert ranges.capture.versions == plain_ranges.capture.versions
    assert ranges.capture.devices == plain_ranges.capture.devices


def names_and_starts(timeline: Timeline) -> list[tuple[str, int]]:
    return [
        (timeline.names[name], start_ns)
        for name, start_ns in zip(timeline.spans.name.tolist(), timeline.spans.start_ns.tolist(), strict=True)
    ]


def test_text_is_no_time(healthy: Callable[..., Timeline]) -> None:
    """As a number it would be 0: the beginning of the session."""
    timeline = healthy(f"UPDATE {PREFIX}KERNEL SET start = 'soon' WHERE rowid % 50 = 1")
    whole = healthy()
    lost = len(whole.device_ops.span) - len(timeline.device_ops.span)
    assert lost > 0
    (problem,) = (one for one in timeline.problems if one.kind is ProblemKind.UNREADABLE_EVENTS)
    assert problem.count == lost
    assert int(timeline.spans.start_ns.min()) == int(whole.spans.start_ns.min())


def test_processes_on_a_machine_of_any_number_are_told(healthy: Callable[..., Timeline], tmp_path: Path) -> None:
    """The upper 16 bits of a `globalTid` are the machine and its virtual one: from 128 on the number is negative."""
    scripts = [
        f"UPDATE {table} SET {column} = {column} | (200 << 56)"
        for table, column in columns(RECORDED / "missing-wait.sqlite.gz")
        if column in ("globalTid", "globalPid")
    ]
    export = content(RECORDED / "missing-wait.sqlite.gz")
    near, far = (
        load_files(nsys=[changed(tmp_path / name, export, *sql)]) for name, sql in (("near", ()), ("far", scripts))
    )
    assert far.problems == near.problems
    assert len(far.device_ops.span) == len(near.device_ops.span) > 0
    assert {(lane.process, lane.thread) for lane in far.lanes} == {(lane.process, lane.thread) for lane in near.lanes}


@pytest.mark.parametrize("script", [f"DELETE FROM {PREFIX}RUNTIME", f"UPDATE {PREFIX}RUNTIME SET globalTid = NULL"])
def test_without_a_call_of_a_process_there_is_no_recording(healthy: Callable[..., Timeline], script: str) -> None:
    with pytest.raises(UnreadableInput, match="holds no call of CUDA"):
        healthy(script)


@pytest.mark.parametrize("column", ["text", "globalPid"])
def test_what_nsys_said_of_losses_needs_its_columns(tmp_path: Path, column: str) -> None:
    script = f"ALTER TABLE DIAGNOSTIC_EVENT DROP COLUMN {column}"
    assert judged(
        lambda: load_files(nsys=[changed(tmp_path / "x.sqlite", content(RECORDED / "missing-wait.sqlite.gz"), script)])
    )


def test_virtual_tables_are_never_run(tmp_path: Path) -> None:
    scripts = (
        f"DROP TABLE {PREFIX}KERNEL",
        f"CREATE VIRTUAL TABLE {PREFIX}KERNEL USING fts4(start, end, deviceId, streamId, correlationId)",
        f"INSERT INTO {PREFIX}KERNEL VALUES (1, 2, 0, 7, 1)",
    )
    path = changed(tmp_path / "x.sqlite", content(RECORDED / "missing-wait.sqlite.gz"), *scripts)
    timeline = load_files(nsys=[path])
    assert not len(timeline.spans.of_kind(Kind.KERNEL))
    assert any("no kernel" in problem.detail for problem in timeline.problems)


def test_a_recording_counts_once(tmp_path: Path) -> None:
    export = RECORDED / "missing-wait.sqlite.gz"
    plain = changed(tmp_path / "x.sqlite", content(export))
    for load in (load_files, lambda nsys: load_bundle(RECORDED / "missing-wait-nsys.zip", nsys=nsys)):
        with pytest.raises(UsageError, match=r"x\.sqlite: holds the same work as .*; give one of them"):
            load(nsys=[export, plain])


def test_two_recordings_of_one_process_are_both_taken(tmp_path: Path) -> None:
    """As `nsys start` and `nsys stop` make them, one after the other."""
    export = content(RECORDED / "missing-wait.sqlite.gz")
    whole = load_files(nsys=[changed(tmp_path / "whole.sqlite", export)])
    starts_ns = whole.spans.start_ns[whole.device_ops.span]
    middle_ns = int((starts_ns.min() + starts_ns.max()) // 2) - (whole.sources[0].began_ns or 0)
    halves = [
        changed(tmp_path / f"{number}.sqlite", export, *(
            f"DELETE FROM {PREFIX}{table} WHERE start {side} {middle_ns}" for table in
            ("KERNEL", "MEMCPY", "MEMSET", "RUNTIME", "SYNCHRONIZATION")
        ))
        for number, side in enumerate((">=", "<"))
    ]  # fmt: skip
    both = load_files(nsys=halves)
    assert len(both.device_ops.span) == len(whole.device_ops.span)


@pytest.mark.parametrize("inside", ["*" * 19_900 + "x", "* " * 9_900 + "x", "const " * 3_300 + "x", "T1, " * 4_900])
def test_an_endless_name_of_a_kernel_is_done_with_at_once(inside: str) -> None:
    name = f"f<{'A' * 50}>({inside})"
    assert len(as_torch_spells_it(name)) >= len(inside)
