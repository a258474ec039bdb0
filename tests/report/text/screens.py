"""Recordings whose screens are golden files. To write the files anew, once somebody has read what changed:
`PYTHONPATH=.:tests python tests/report/text/screens.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import captures

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.report import Report
from ortprobe.rules import judge

GOLDEN = Path(__file__).parent / "golden"
RECORDINGS: Mapping[str, Callable[[], Analyses]] = {
    "set-providers": lambda: captures.example("set-providers"),
    "missing-wait": lambda: captures.example("missing-wait"),
    "resnet50": lambda: Analyses(captures.resnet()),
}
"""A re-initialisation; a race; bare files with waits that nobody can resolve."""


def screen_of(name: str) -> str:
    """The text as `ortprobe report -o NAME.txt --format text` writes it."""
    return Report(judge(RECORDINGS[name]())).render("text").decode()


if __name__ == "__main__":
    for recording in RECORDINGS:
        (GOLDEN / f"{recording}.txt").write_text(screen_of(recording))
