"""A packed bundle says what its folder says, and is the same file whenever and wherever it is packed."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest
from captures import DATA
from commands import run_python
from scene import EPOCH_NS, PROCESS, Scene

import ortprobe
from ortprobe.bundle import BundleWriter, Manifest, read_bundle
from ortprobe.bundle.files import Folder
from ortprobe.bundle.packed import open_packed
from ortprobe.bundle.packing import Packing, pack
from ortprobe.ingest import load_bundle
from ortprobe.timeline import ProblemKind

CAPTURES = sorted(DATA.rglob("*.ortprobe"))


def packed(folder: Path, out: Path) -> tuple[Path, Packing]:
    with out.open("wb") as target:
        return out, pack(Folder(folder), target)


def scene() -> Scene:
    made = Scene().launch("conv", 110, 120, 5, 1).launch("relu", 210, 220, 5, 2)
    made.profile().load(0, 10).initialize(10, 50).run(100, 50).run(200, 50).node("a", 105, 20)
    made.session(0, 0, 70, inputs=("x",), outputs=("y",), providers=("CUDAExecutionProvider",))
    for start in (95, 195):
        made.hook("run", start, 60, session=0, attached=3, site="app.py:7")
    return made


def family(folder: Path) -> Path:
    """A bundle with two children; what was written last has the lower process id."""
    bundle = scene().write_bundle(folder)
    for process in (10_001, 977):
        scene().hook("run", 300, 10, session=0).write_bundle(bundle / "children" / str(process))
    return bundle


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_every_capture_has_the_same_report_packed_and_as_a_folder(capture: Path, tmp_path: Path) -> None:
    path, packing = packed(capture, tmp_path / "sent.zip")
    assert packing.left_out == ()
    report = ortprobe.load(path)
    assert report.render("json") == ortprobe.load(capture).render("json")
    assert report.timeline.problems == load_bundle(capture).problems
    assert [path.name for path in tmp_path.iterdir()] == ["sent.zip"], "nothing was extracted"


def test_captures_are_there_to_be_tested() -> None:
    assert len(CAPTURES) >= 4


def test_members_are_the_files_and_compressed_ones_are_stored(tmp_path: Path) -> None:
    path, packing = packed(CAPTURES[0], tmp_path / "sent.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[:2] == ["manifest.json", "hooks.jsonl"]
        for member in archive.infolist():
            content = (CAPTURES[0] / member.filename).read_bytes()
            assert archive.read(member) == content
            stored = member.compress_type == zipfile.ZIP_STORED
            assert stored == member.filename.endswith(".gz")
        assert sorted(archive.namelist()) == sorted(file.name for file in CAPTURES[0].iterdir())
    assert packing.size_bytes == sum(file.stat().st_size for file in CAPTURES[0].iterdir())


def test_the_same_bundle_makes_the_same_bytes(tmp_path: Path) -> None:
    bundle = family(tmp_path / "a.ortprobe")
    copy = shutil.copytree(bundle, tmp_path / "elsewhere" / "b.ortprobe")
    for number, file in enumerate(sorted(copy.rglob("*"), reverse=True)):
        os.utime(file, (10**9 + number, 10**9 + number))
        file.chmod(0o755)
    first, _ = packed(bundle, tmp_path / "1.zip")
    second, _ = packed(copy, tmp_path / "2.zip")
    assert first.read_bytes() == second.read_bytes()


def test_children_come_along_and_can_be_reported_by_themselves(tmp_path: Path) -> None:
    bundle = family(tmp_path / "app.ortprobe")
    path, _ = packed(bundle, tmp_path / "sent.zip")
    children = load_bundle(path).capture.children
    assert children == load_bundle(bundle).capture.children
    assert [child.bundle for child in children] == ["children/977", "children/10001"]
    assert [child.runs for child in children] == [3, 3]
    for child in children:
        assert ortprobe.load(path / child.bundle).render("json") == ortprobe.load(bundle / child.bundle).render("json")


def test_a_killed_programs_bundle_is_packed_as_it_is(tmp_path: Path) -> None:
    bundle = scene().write_bundle(tmp_path / "whole.ortprobe")
    script = f"""
import os, shutil, signal
from pathlib import Path
from msgspec.structs import replace
from ortprobe.bundle import BundleWriter, read_bundle
whole = read_bundle(Path({str(bundle)!r}))
writer = BundleWriter(Path("killed.ortprobe"), replace(whole.manifest, ending=None))
for record in whole.records:
    writer.append(record)
writer.append_line(b'{{"type":"call","what":"ru')
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_python("-c", script, cwd=tmp_path).returncode == -signal.SIGKILL
    killed = tmp_path / "killed.ortprobe"
    path, _ = packed(killed, tmp_path / "sent.zip")
    assert path.stat().st_size < 3000, "a megabyte of zeros follows the last line"
    assert read_bundle(path).unreadable_lines == 1
    assert read_bundle(path).records == read_bundle(bundle).records
    assert ortprobe.load(path).render("json") == ortprobe.load(killed).render("json")
    assert ProblemKind.KILLED in {problem.kind for problem in load_bundle(path).problems}


def test_a_bundle_that_is_still_being_written(tmp_path: Path) -> None:
    whole = read_bundle(scene().write_bundle(tmp_path / "whole.ortprobe"))
    running = Manifest(
        ortprobe="0", target=whole.manifest.target, process=PROCESS, clock=whole.manifest.clock,
        settings=whole.manifest.settings, environment=whole.manifest.environment,
    )  # fmt: skip
    writer = BundleWriter(tmp_path / "running.ortprobe", running)
    writer.append(whole.records[0])
    early, _ = packed(tmp_path / "running.ortprobe", tmp_path / "early.zip")
    for record in whole.records[1:]:
        writer.append(record)
    writer.close(whole.manifest)
    late, _ = packed(tmp_path / "running.ortprobe", tmp_path / "late.zip")
    assert read_bundle(early).records == whole.records[:1]
    assert read_bundle(early).manifest.ending is None
    assert read_bundle(late).records == whole.records
    assert read_bundle(late).manifest == whole.manifest


@dataclass(frozen=True)
class CompressedMeanwhile:
    """A folder whose capture completes, and compresses a trace, in the moment in which that is to be packed."""

    folder: Folder

    def __getattr__(self, name: str) -> object:
        return getattr(self.folder, name)

    def open(self, name: str) -> BinaryIO:
        plain = self.folder.path / name
        if name == "ort-0.json":
            plain.with_name("ort-0.json.gz").write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
        return self.folder.open(name)


def test_a_trace_that_is_compressed_while_it_is_packed_is_not_lost(tmp_path: Path) -> None:
    bundle = scene().write_bundle(tmp_path / "app.ortprobe")
    figures = ortprobe.load(bundle).render("json")
    with (tmp_path / "sent.zip").open("wb") as target:
        packing = pack(CompressedMeanwhile(Folder(bundle)), target)
    assert packing.left_out == ()
    assert ortprobe.load(tmp_path / "sent.zip").render("json") == figures


def test_what_is_no_part_of_the_capture_stays_at_home(tmp_path: Path) -> None:
    bundle = scene().write_bundle(tmp_path / "app.ortprobe")
    (tmp_path / "secret.json").write_text("secret")
    (bundle / "link.json").symlink_to(tmp_path / "secret.json")
    (bundle / "weights.onnx").write_text("secret")
    (bundle / "mine").mkdir()
    (bundle / "mine" / "notes.json").write_text("secret")
    (bundle / "a\\..\\..\\b.json").write_text("secret")
    path, packing = packed(bundle, tmp_path / "sent.zip")
    assert packing.left_out == ("a\\..\\..\\b.json", "mine/notes.json", "weights.onnx")
    assert sorted(open_packed(path).names()) == ["hooks.jsonl", "manifest.json", "ort-0.json", "torch-0.json"]
    assert ortprobe.load(path).render("json") == ortprobe.load(bundle).render("json")


def test_children_that_lie_elsewhere_are_none(tmp_path: Path) -> None:
    elsewhere = family(tmp_path / "other.ortprobe")
    bundle = scene().write_bundle(tmp_path / "app.ortprobe")
    (bundle / "children").symlink_to(elsewhere / "children")
    assert load_bundle(bundle).capture.children == ()
    path, _ = packed(bundle, tmp_path / "sent.zip")
    assert load_bundle(path).capture.children == ()


def test_a_trace_that_is_damaged_is_as_damaged_when_packed(tmp_path: Path) -> None:
    bundle = scene().write_bundle(tmp_path / "app.ortprobe")
    trace = bundle / "torch-0.json"
    trace.write_bytes(trace.read_bytes()[:300])
    path, _ = packed(bundle, tmp_path / "sent.zip")
    assert ProblemKind.CUT_OFF in {problem.kind for problem in load_bundle(path).problems}
    assert ortprobe.load(path).render("json") == ortprobe.load(bundle).render("json")


@contextmanager
def descriptors() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    left = {fd for fd in set(os.listdir("/proc/self/fd")) - before if os.path.exists(f"/proc/self/fd/{fd}")}
    assert not left


def test_the_packed_file_is_closed_when_nobody_reads_it_any_more(tmp_path: Path) -> None:
    path, _ = packed(family(tmp_path / "app.ortprobe"), tmp_path / "sent.zip")
    with descriptors():
        timeline = load_bundle(path)
        assert timeline.start_ns == EPOCH_NS
