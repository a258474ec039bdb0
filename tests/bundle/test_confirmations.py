"""`confirmations.json` comes back as it was written; a missing or damaged one does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from ortprobe.bundle import Confirmation, Suspect, read_confirmations, write_confirmations
from ortprobe.bundle.anonymous.pseudonyms import LEFT_OUT, Pseudonyms
from ortprobe.bundle.anonymous.records import anonymous_confirmation
from ortprobe.bundle.confirmations import CONFIRMATIONS_NAME, DIFFERS_ANYWAY
from ortprobe.bundle.files import Folder

SUSPECT = Suspect(
    hazard="read-after-write",
    first_what="copy_",
    first_site="/home/me/app.py:3",
    second_what="run_with_iobinding",
    second_site="/home/me/app.py:4",
    buffer="image",
)
FOUND = (
    Confirmation(suspect=SUSPECT, tried=5, changed=4),
    Confirmation(suspect=SUSPECT, tried=1, why=DIFFERS_ANYWAY),
    Confirmation(suspect=SUSPECT, why="trying it failed: RuntimeError: image"),
)


def test_round_trip(tmp_path: Path) -> None:
    write_confirmations(tmp_path, FOUND)
    assert read_confirmations(Folder(tmp_path)) == (FOUND, "")
    assert [one.is_confirmed for one in FOUND] == [True, False, False]
    assert [file.name for file in tmp_path.iterdir()] == [CONFIRMATIONS_NAME]


def test_none_written(tmp_path: Path) -> None:
    assert read_confirmations(Folder(tmp_path)) == ((), "")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b"\xff", b"[" * 100_000, b'[{"suspect": {}}]', b'[{"suspect":'],
)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONFIRMATIONS_NAME).write_bytes(content)
    found, wrong = read_confirmations(Folder(tmp_path))
    assert found == ()
    assert wrong.startswith(f"{tmp_path / CONFIRMATIONS_NAME}: can't be read (")


@pytest.mark.parametrize(("tried", "changed"), [(1, 2), (-1, -1), (3, -1)])
def test_counts_that_can_not_be(tmp_path: Path, tried: int, changed: int) -> None:
    write_confirmations(tmp_path, [Confirmation(suspect=SUSPECT, tried=tried, changed=changed)])
    assert read_confirmations(Folder(tmp_path))[0] == ()


def test_paths_need_not_be_utf8(tmp_path: Path) -> None:
    odd = Confirmation(suspect=SUSPECT, why="\udcff")
    write_confirmations(tmp_path, [odd])
    assert read_confirmations(Folder(tmp_path))[0][0].why == "?"


def test_without_names() -> None:
    known = Pseudonyms()
    unnamed = [anonymous_confirmation(one, known) for one in FOUND]
    assert [one.why for one in unnamed] == ["", DIFFERS_ANYWAY, LEFT_OUT]
    assert "image" not in str(unnamed)
    assert "/home/me" not in str(unnamed)
    assert [one.suspect.first_what for one in unnamed] == ["copy_"] * 3
