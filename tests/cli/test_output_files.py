from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ortprobe.cli.output_files import format_by_ending, refuse_existing, whole_output, write_output
from ortprobe.errors import OutputExists, UsageError

FORMATS = {".json": "json", ".trace.json": "chrome", ".md": "markdown"}


@pytest.mark.parametrize(
    ("name", "form"), [("a.json", "json"), ("a.trace.json", "chrome"), ("a.b.json", "json"), ("a.trace.md", "markdown")]
)
def test_the_longest_ending_that_is_known_tells_the_format(name: str, form: str) -> None:
    assert format_by_ending(Path(name), FORMATS) == form


@pytest.mark.parametrize("name", ["a", "a.trace", "json", "-"])
def test_other_endings_are_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(UsageError, match=r"end it in \.json, \.trace\.json, \.md, or say --format"):
        format_by_ending(Path(name), FORMATS)


def test_what_is_there_is_overwritten_only_when_forced(tmp_path: Path) -> None:
    (out := tmp_path / "out").write_text("mine")
    for refused in (lambda: refuse_existing(out, force=False), lambda: write_output(out, b"new", force=False)):
        with pytest.raises(OutputExists, match="already there"):
            refused()
    assert out.read_text() == "mine"
    write_output(out, b"new", force=True)
    assert out.read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_a_pipe_is_written_and_stays_one(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with ThreadPoolExecutor() as threads:
        read = threads.submit(pipe.read_bytes)
        write_output(pipe, b"content", force=False)
    assert read.result() == b"content"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (folder := tmp_path / "folder").mkdir()
    (there := folder / "there").write_text("before")
    (link := tmp_path / "link").symlink_to(there)
    with pytest.raises(OutputExists):
        write_output(link, b"content", force=False)
    write_output(link, b"content", force=True)
    assert link.is_symlink()
    assert there.read_text() == "content"
    assert list(folder.iterdir()) == [there]


def _folder(path: Path) -> None:
    path.mkdir()


def _in_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("no folder")


@pytest.mark.parametrize("make", [_folder, _in_a_file])
def test_what_can_not_be_written_is_told_and_leaves_nothing(make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make(out := tmp_path / "in" / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="out: can't be written"):
        write_output(out, b"content", force=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_not_finished_has_no_name(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_output(tmp_path / "out") as file:
            file.write(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
