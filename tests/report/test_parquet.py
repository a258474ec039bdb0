"""Tables on disk: what is read back is what was written, and a folder is complete or not there."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from captures import DATA, example, resnet, service
from commands import ROOT, ortprobe, run_python
from scene import Scene

from ortprobe.errors import OutputExists, UsageError
from ortprobe.report.parquet import columns_markdown, write_parquet
from ortprobe.report.report import load
from ortprobe.timeline import Timeline
from ortprobe.timeline.columns import columns_of, index_of
from ortprobe.timeline.frames import TABLES

SERVICE = DATA / "h100-service.ortprobe"
FILES = sorted(["columns.md", *(f"{table}.parquet" for table in TABLES)])
HOSTILE = "<b>&\x1b[2J\u202e\x00|`\N{PILE OF POO}"


def set_providers() -> Timeline:
    return example("set-providers").timeline


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_file(path: Path) -> pd.DataFrame:
    """By its content: pandas takes no path that is not UTF-8."""
    return pd.read_parquet(BytesIO(path.read_bytes()))


def assert_same(read: pd.DataFrame, written: pd.DataFrame) -> None:
    """Files don't keep what a Categorical without values could have held."""
    assert read.index.name == written.index.name
    assert list(read) == list(written)
    empty = [name for name in written if written[name].isna().all()]
    assert read[empty].isna().all(axis=None)
    pd.testing.assert_frame_equal(read.drop(columns=empty), written.drop(columns=empty))


@pytest.mark.parametrize("capture", [resnet, service, set_providers])
def test_what_is_read_back_is_what_was_written(tmp_path, capture):
    pytest.importorskip("pyarrow")
    frames = capture().to_pandas()
    write_parquet(frames, tmp_path / "tables")
    assert listed(tmp_path / "tables") == FILES
    for name, frame in frames.tables().items():
        assert_same(pd.read_parquet(tmp_path / "tables" / f"{name}.parquet"), frame)


def test_hostile_names_and_paths_that_are_not_utf_8_survive(tmp_path):
    pytest.importorskip("pyarrow")
    scene = Scene().launch(HOSTILE, 0, 5, 3, 1).torch_op("\ud800", 0, 3)
    scene.profile().run(200, 50).node(HOSTILE, 210, 20, op="", provider="nan")
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    frames = scene.load(folder).to_pandas()
    write_parquet(frames, folder / "s3:tables")
    read = {name: read_file(folder / "s3:tables" / f"{name}.parquet") for name in TABLES}
    for name, frame in frames.tables().items():
        assert_same(read[name], frame)
    assert read["spans"].name[read["spans"].kind == "KERNEL"].tolist() == [HOSTILE]
    assert read["sources"].path.str.contains("caf\\?").all()


def test_a_file_says_what_its_columns_mean(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    write_parquet(service().to_pandas(), tmp_path / "tables")
    for name in TABLES:
        schema = pq.read_schema(tmp_path / "tables" / f"{name}.parquet")
        columns = (index_of(name), *columns_of(name))
        assert schema.names == [column.name for column in columns], (
            "the number of the row is a column that SQL can join"
        )
        assert schema.metadata[b"description"]
        for column in columns:
            metadata = schema.field(column.name).metadata
            assert metadata[b"description"].decode() == column.meaning
            assert metadata.get(b"unit", b"").decode() == column.unit


def test_tables_without_rows_have_the_types_of_tables_with_rows(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    bundle = Scene().write_bundle(tmp_path / "empty.ortprobe")
    load(bundle).to_parquet(tmp_path / "empty")
    load(SERVICE).to_parquet(tmp_path / "full")
    for name in TABLES:
        empty, full = (pq.read_schema(tmp_path / which / f"{name}.parquet") for which in ("empty", "full"))
        assert [str(field.type) for field in empty] == [str(field.type) for field in full], name


def test_columns_md_has_every_column_and_the_meaning_of_every_kind():
    text = columns_markdown()
    for name in TABLES:
        assert f"\n## {name}\n" in text
        for column in (index_of(name), *columns_of(name)):
            assert column.meaning.replace("|", "\\|") in text
    assert "* `KERNEL`: A kernel on the device." in text
    assert "* `torch-trace`: What torch's profiler (Kineto) exported." in text


def test_the_command_writes_a_folder_and_replaces_only_its_own(tmp_path):
    pytest.importorskip("pyarrow")
    words = ["report", SERVICE, "--format", "parquet", "-o", "tables"]
    done = ortprobe(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "tables tables (15 files" in done.stderr.splitlines()[-1]
    assert listed(tmp_path / "tables") == FILES
    spans = tmp_path / "tables" / "spans.parquet"
    spans.write_bytes(b"mine")
    refused = ortprobe(*words, cwd=tmp_path)
    assert (refused.returncode, spans.read_bytes()) == (2, b"mine")
    assert "--force" in refused.stderr
    assert ortprobe(*words, "--force", cwd=tmp_path).returncode == 0
    assert len(pd.read_parquet(spans)) == len(service().spans)
    (tmp_path / "tables" / "thesis.md").write_text("years of work")
    refused = ortprobe(*words, "--force", cwd=tmp_path)
    assert refused.returncode == 2
    assert "thesis.md" in refused.stderr
    assert listed(tmp_path) == ["tables"], "nothing half-done is left"
    assert listed(tmp_path / "tables") == sorted([*FILES, "thesis.md"])


def test_a_folder_is_replaced_by_code_too(tmp_path):
    pytest.importorskip("pyarrow")
    report = load(SERVICE)
    report.to_parquet(tmp_path / "tables")
    with pytest.raises(OutputExists):
        report.to_parquet(tmp_path / "tables")
    report.to_parquet(str(tmp_path / "tables"), force=True)
    assert listed(tmp_path) == ["tables"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_disk_that_takes_no_more_leaves_what_was_there(tmp_path, force):
    """A limit on the size of files, as a full disk is: the kernel refuses to write on."""
    pytest.importorskip("pyarrow")
    if force:
        load(SERVICE).to_parquet(tmp_path / "tables")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    program = f"{limit}; import ortprobe.cli; ortprobe.cli.main()"
    done = run_python("-c", program, "report", SERVICE, "--format", "parquet", "-o", "tables", *force, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "tables: can't be written" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before
    assert listed(tmp_path) == (["tables"] if force else [])


def test_without_pyarrow_one_line_says_what_to_install(tmp_path):
    program = "import sys; sys.modules['pyarrow'] = None; import ortprobe.cli; ortprobe.cli.main()"
    done = run_python("-c", program, "report", SERVICE, "--format", "parquet", "-o", "tables", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'ortprobe[parquet]'" in done.stderr
    assert listed(tmp_path) == []


REFUSED = {
    "no folder named": ([], "-o"),
    "parent that is not there": (["-o", "nowhere/tables"], "nowhere/tables"),
    "a file": (["-o", "file", "--force"], "file: is no folder"),
    "a link to a folder": (["-o", "link", "--force"], "link: is no folder"),
    "a link to nothing": (["-o", "dangling"], "dangling: already there"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_no_folder_of_tables_is_refused_in_one_line(tmp_path, name):
    pytest.importorskip("pyarrow")
    words, said = REFUSED[name]
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(ROOT)
    (tmp_path / "dangling").symlink_to("nowhere")
    done = ortprobe("report", SERVICE, "--format", "parquet", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert listed(tmp_path) == ["dangling", "file", "link"]


def test_an_unknown_destination_is_refused_from_code(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(UsageError, match="can't be written"):
        load(SERVICE).to_parquet(tmp_path / "nowhere" / "tables")
