"""A ZIP from a stranger is a bundle or gets one clear line, whatever it claims, and costs little memory either way."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from commands import run_python
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scene import Scene

from ortprobe.bundle import read_bundle
from ortprobe.bundle.files import Folder
from ortprobe.bundle.packed import open_packed
from ortprobe.bundle.packing import pack
from ortprobe.errors import UnreadableInput
from ortprobe.ingest import load_bundle
from ortprobe.timeline import ProblemKind

GIB = 1 << 30


@cache
def good() -> bytes:
    """A small packed bundle with a hook log, a profile, a trace and a child."""
    with TemporaryDirectory() as folder:
        scene = Scene().launch("conv", 110, 120, 5, 1)
        scene.profile().run(100, 50).node("a", 105, 20)
        scene.session(0, 0, 70).hook("run", 95, 60, session=0, attached=3)
        bundle = scene.write_bundle(Path(folder) / "app.ortprobe")
        scene.write_bundle(bundle / "children" / "77")
        target = io.BytesIO()
        pack(Folder(bundle), target)
        return target.getvalue()


def rewritten(path: Path, change: Callable[[zipfile.ZipFile], None]) -> Path:
    """The good bundle, with `change` made before its list of members is written."""
    path.write_bytes(good())
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of what these tests are for
        change(archive)
        archive._didModify = True
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableInput) as refused:
        load_bundle(path)
    line = str(refused.value)
    assert line.startswith(str(path))
    assert line.isprintable()
    assert len(line) < 400
    return line


def test_the_good_bundle_is_good(tmp_path: Path) -> None:
    timeline = load_bundle(rewritten(tmp_path / "x.zip", lambda archive: None))
    assert len(timeline.runs) == 1
    assert len(timeline.capture.children) == 1


NAMES_THAT_LEAD_OUT = [
    "../evil.json", "children/../../evil.json", "/etc/evil.json", "C:/evil.json", "C:evil.json", "..\\evil.json",
    "\\\\server\\share\\evil.json", "a\0b.json", "..", "../" + "x" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_THAT_LEAD_OUT, ids=lambda name: repr(name[:20]))
def test_a_name_that_leads_out_of_the_bundle(tmp_path: Path, name: str) -> None:
    def add(archive: zipfile.ZipFile) -> None:
        member = zipfile.ZipInfo("x" * len(name))
        archive.writestr(member, b"{}")
        member.filename = name

    assert "leads out" in refusal(rewritten(tmp_path / "x.zip", add))


def clear(archive: zipfile.ZipFile) -> None:
    for member in list(archive.filelist):
        archive.filelist.remove(member)


def duplicate(archive: zipfile.ZipFile) -> None:
    archive.writestr("manifest.json", b"{}")


def encrypted(archive: zipfile.ZipFile) -> None:
    archive.getinfo("hooks.jsonl").flag_bits |= 1


def lzma(archive: zipfile.ZipFile) -> None:
    archive.writestr("ort-1.json", b"[]", zipfile.ZIP_LZMA)


def overlapping(archive: zipfile.ZipFile) -> None:
    """Fifield's: many members in the bytes of one."""
    archive.writestr("kernel.json", zlib.compress(bytes(100_000)))
    kernel = archive.getinfo("kernel.json")
    for number in range(100):
        member = zipfile.ZipInfo(f"ort-{number + 1}.json")
        member.header_offset, member.compress_size, member.file_size = kernel.header_offset, kernel.compress_size, GIB
        member.CRC = kernel.CRC
        archive.filelist.append(member)


def behind_the_end(archive: zipfile.ZipFile) -> None:
    archive.getinfo("hooks.jsonl").compress_size = 1 << 31


def manifest_of_gigabytes(archive: zipfile.ZipFile) -> None:
    archive.getinfo("manifest.json").file_size = 5 * GIB


def hook_log_of_gigabytes(archive: zipfile.ZipFile) -> None:
    archive.getinfo("hooks.jsonl").file_size = 5 * GIB


def manifest_longer_than_stated(archive: zipfile.ZipFile) -> None:
    archive.getinfo("manifest.json").file_size -= 100


def other_checksum(archive: zipfile.ZipFile) -> None:
    archive.getinfo("hooks.jsonl").CRC ^= 1


def other_version(archive: zipfile.ZipFile) -> None:
    archive.getinfo("manifest.json").extract_version = 99


HOSTILE = {
    duplicate: "two members 'manifest.json'",
    encrypted: "encrypted",
    lzma: "method 14",
    overlapping: "share their bytes",
    behind_the_end: "share their bytes",
    manifest_of_gigabytes: "larger than 16 MiB",
    hook_log_of_gigabytes: "larger than 256 MiB",
    manifest_longer_than_stated: "damaged",
    other_checksum: "damaged",
    other_version: "damaged",
    clear: "no ortprobe bundle",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_what_no_packed_capture_has(tmp_path: Path, change: Callable[[zipfile.ZipFile], None]) -> None:
    assert HOSTILE[change] in refusal(rewritten(tmp_path / "x.zip", change))


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off(tmp_path: Path, part: float) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(good()[: int(len(good()) * part)])
    assert "cut off" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\x1f\x8b\x08", b"x" * 100_000])
def test_a_file_that_is_no_zip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    assert "is no bundle" in refusal(path)


def test_a_member_that_is_missing_is_a_hole_in_the_capture(tmp_path: Path) -> None:
    def drop(archive: zipfile.ZipFile) -> None:
        archive.filelist.remove(archive.getinfo("torch-0.json"))

    problems = load_bundle(rewritten(tmp_path / "x.zip", drop)).problems
    assert ("torch-0.json: is not in the bundle", ProblemKind.NOT_CAPTURED) in [
        (problem.detail, problem.kind) for problem in problems
    ]


def test_a_trace_that_is_damaged_inside_is_a_hole_in_the_capture(tmp_path: Path) -> None:
    def damage(archive: zipfile.ZipFile) -> None:
        archive.getinfo("torch-0.json").CRC ^= 1

    problems = load_bundle(rewritten(tmp_path / "x.zip", damage)).problems
    assert ProblemKind.CUT_OFF in {problem.kind for problem in problems}


def test_a_trace_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bomb(archive: zipfile.ZipFile) -> None:
        archive.filelist.remove(archive.getinfo("torch-0.json"))
        archive.writestr("torch-0.json", bytes(64 << 20), zipfile.ZIP_DEFLATED)

    monkeypatch.setattr("ortprobe.ingest.sources.files.MAX_SIZE_BYTES", 1 << 20)
    problems = load_bundle(rewritten(tmp_path / "x.zip", bomb)).problems
    assert any("holds more than" in problem.detail for problem in problems)


def test_memory_that_hostile_files_take_is_bounded(tmp_path: Path) -> None:
    """In a process that may take 700 MiB: a list of members of 2 GiB, and the longest hook log that is read."""
    forged = tmp_path / "forged.zip"
    size = 2 * GIB
    with forged.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(size)
        file.seek(size)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, size - 100, 50, 0))
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(100_000):
            member = zipfile.ZipInfo(f"children/{number}/manifest.json")
            member.header_offset, member.CRC = number * 100, 0
            archive.filelist.append(member)
        archive.fp.write(bytes(10_000_000))
        archive.start_dir = archive.fp.tell()
        archive._didModify = True
    log = tmp_path / "log.zip"
    with zipfile.ZipFile(log, "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(io.BytesIO(good())) as source:
            archive.writestr("manifest.json", source.read("manifest.json"))
        with archive.open("hooks.jsonl", "w") as lines:
            for _ in range(255):
                lines.write(bytes(1 << 20))
    script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))
from pathlib import Path
from ortprobe.bundle import read_bundle
from ortprobe.errors import UnreadableInput
for path in sys.argv[1:]:
    try:
        print(len(read_bundle(Path(path)).records))
    except UnreadableInput as error:
        print(str(error).partition(": ")[2])
"""
    done = run_python("-c", script, forged, many, log, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert "damaged or cut off" in first
    assert "no ortprobe bundle" in second
    assert third == "0"


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=40), max_size=6, unique=True))
@example(["children/4/../../../x/manifest.json"])
@example(["children//manifest.json", "children/./manifest.json"])
@example(["\N{RIGHT-TO-LEFT OVERRIDE}nosj.tset", "\x1b[2J"])
def test_whatever_members_are_called_none_is_a_file_outside(names: list[str]) -> None:
    with TemporaryDirectory() as home:
        path = Path(home) / "x.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), b"inside")
        try:
            files = open_packed(path)
        except UnreadableInput:
            return
        for name in files.names():
            assert (Path("/a/bundle") / name).is_relative_to("/a/bundle")
            assert ".." not in Path(name).parts
            with files.open(name) as stream:
                assert stream.read() == b"inside"
        for child in files.children().values():
            assert child.names()
        assert not files.has("../x.zip")
        assert [file.name for file in Path(home).iterdir()] == ["x.zip"]


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 1 << 30), changes=st.integers(1, 4), near_the_end=st.booleans())
def test_a_file_that_was_damaged_anywhere_is_read_or_refused(seed: int, changes: int, near_the_end: bool) -> None:
    chance = random.Random(seed)
    raw = bytearray(good())
    for _ in range(changes):
        raw[chance.randrange(len(raw) - 700 if near_the_end else 0, len(raw))] = chance.choice((0, 1, 80, 127, 255))
    assume(bytes(raw) != good())
    with TemporaryDirectory() as home:
        path = Path(home) / "x.zip"
        path.write_bytes(raw)
        with suppress(UnreadableInput):
            assert len(load_bundle(path).runs) <= 1


def test_reading_a_member_from_its_middle(tmp_path: Path) -> None:
    files = open_packed(rewritten(tmp_path / "x.zip", lambda archive: None))
    with files.open("torch-0.json") as stream:
        whole = stream.read()
        assert len(whole) == files.size_bytes("torch-0.json")
        stream.seek(7)
        assert stream.read(20) == whole[7:27]


def test_a_name_that_is_no_file_of_it(tmp_path: Path) -> None:
    files = read_bundle(rewritten(tmp_path / "x.zip", lambda archive: None)).files
    for name in ("nothing", "../x.zip", "", "children", "children/77"):
        assert not files.has(name)
        with pytest.raises(UnreadableInput, match="has no file"):
            files.open(name)
