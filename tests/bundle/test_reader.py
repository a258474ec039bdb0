"""A hook log that was damaged or forged costs its own lines, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scene import Scene

from ortprobe.bundle import Call, read_bundle
from ortprobe.bundle.files import Folder
from ortprobe.ingest import load_bundle
from ortprobe.timeline import ProblemKind


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    scene = Scene()
    scene.session(0, 0, 70, inputs=("x",), outputs=("y",), providers=("CPUExecutionProvider",))
    for start in (95, 195, 295):
        scene.hook("run", start, 60, session=0, site="app.py:7")
    return scene.write_bundle(tmp_path / "app.ortprobe")


@pytest.mark.parametrize(
    ("field", "value"),
    [("start_ns", 1 << 63), ("start_ns", -1), ("session", 1 << 31), ("attached", 256), ("read_bytes", 10**30)],
)
def test_line_with_a_number_out_of_range_is_left_out_and_said(bundle: Path, field: str, value: int) -> None:
    log = bundle / "hooks.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    next(line for line in lines if line.get("what") == "run")[field] = value
    log.write_text("\n".join(map(json.dumps, lines)))
    read = read_bundle(bundle)
    assert read.unreadable_lines == 1
    assert sum(isinstance(record, Call) for record in read.records) == 2
    timeline = load_bundle(bundle)
    assert len(timeline.runs) == 2
    assert ProblemKind.UNREADABLE_RECORDS in {problem.kind for problem in timeline.problems}


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "x" * 5000, "zero\0byte", ""])
def test_names_that_are_no_file_of_the_bundle(bundle: Path, name: str) -> None:
    (bundle.parent / "outside").write_text("secret")
    assert not Folder(bundle).has(name)
