"""Damaged and hostile files: what may come of reading one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ortprobe.analysis.analyses import Analyses
from ortprobe.errors import OrtprobeError
from ortprobe.ingest import load_bundle, load_files
from ortprobe.report.html.tables import build_tables
from ortprobe.report.report import Report
from ortprobe.rules import judge
from ortprobe.rules.finding import RuleFailed
from ortprobe.timeline import Timeline


def read(*, ort: Path | None = None, torch: Path | None = None, bundle: Path | None = None) -> Timeline | None:
    """What is read from the files and judged, or None where they are refused; anything else fails the test."""
    if bundle is not None:
        return judged(lambda: load_bundle(bundle))
    return judged(lambda: load_files(ort=[ort] if ort else [], torch=[torch] if torch else []))


def judged(load: Callable[[], Timeline]) -> Timeline | None:
    """The Timeline, after all rules and reports held, or None where it is refused in one printable line."""
    refusal = ""
    try:
        timeline = load()
    except OrtprobeError as error:
        refusal = str(error)
    if refusal:
        assert refusal.isprintable()
        assert len(refusal) < 2_000
        return None
    judgement = judge(Analyses(timeline))
    assert [one.outcome.error for one in judgement.judged if isinstance(one.outcome, RuleFailed)] == []
    report = Report(judgement)
    assert report.render("json")
    assert report.render("text")
    assert report.render("details")
    assert build_tables(judgement)
    return timeline
