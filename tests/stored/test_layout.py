"""What makes bytes of one version unreadable to another: anything that they were made of and is not the same."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path

import pytest

from ortprobe.stored.layout import layout_of

SOURCE = '''
from __future__ import annotations
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated
from ortprobe.timeline import Int32s, Int64s

class Kind(IntEnum):
    KERNEL = 0
    MEMCPY = 1

@dataclass
class Rows:
    """Rows of something."""
    kind: Annotated[Int32s, Kind]
    start_ns: Int64s

@dataclass
class Whole:
    rows: tuple[Rows, ...]
    by_name: Mapping[str, Rows] | None = None
'''
_NUMBERS = count()


def layout(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = folder / f"made_{next(_NUMBERS)}.py"
    path.write_text(source)
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return layout_of(module.Whole)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("start_ns: Int64s", "start_ns: Int64s\n    end_ns: Int64s"),
        ("start_ns: Int64s", "begin_ns: Int64s"),
        ("start_ns: Int64s", "start_ns: Int32s"),
        ("MEMCPY = 1", "MEMCPY = 2"),
        ("MEMCPY = 1", "MEMCPY = 1\n    MEMSET = 2"),
        ("KERNEL = 0\n    MEMCPY = 1", "MEMCPY = 0\n    KERNEL = 1"),
        ("[str, Rows]", "[int, Rows]"),
    ],
)
def test_another_layout_has_another_number(old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert old in SOURCE
    assert layout(SOURCE.replace(old, new), tmp_path, monkeypatch) != layout(SOURCE, tmp_path, monkeypatch)


def test_what_is_said_of_it_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SOURCE.replace("Rows of something", "Others")
    assert layout(other, tmp_path, monkeypatch) == layout(SOURCE, tmp_path, monkeypatch)
