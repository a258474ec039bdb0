"""A comparison of captures as an object: verdict, what changed, and every format of its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.comparison import Comparison, compare
from ortprobe.analysis.comparison.verdict import ANY_CHANGE, Gate, Outcome
from ortprobe.errors import UsageError
from ortprobe.ingest import load_bundle
from ortprobe.report.diff.diff_json import diff_json
from ortprobe.report.diff.diff_markdown import render_diff_markdown
from ortprobe.report.diff.diff_text import render_diff_text
from ortprobe.report.diff.diff_verdict import diff_verdict
from ortprobe.rules import Judgement, judge
from ortprobe.rules.finding_changes import FindingChange, compare_findings
from ortprobe.timeline import Timeline

DiffFormat = Literal["html", "json", "markdown", "text"]
_TEXT_WIDTH = 120


def load_diff(
    before: Sequence[str | Path],
    after: Sequence[str | Path],
    gate: Gate = ANY_CHANGE,
    models: Sequence[str | Path] = (),
) -> Diff:
    """Read, analyse and compare bundles, which may be packed, or traces for Perfetto or in Chrome's JSON that ortprobe
    made of them; several of a side are repeats of the same program.

    Raises:
        UnreadableInput: a bundle is missing or damaged.
        UsageError: a model is of no session, or two of a side are one capture, such as a bundle and an export of it.
        ValueError: a side has no bundle.
    """
    old, new = (_judged(side, models) for side in (before, after))
    return Diff(
        comparison=compare([each.analyses for each in old], [each.analyses for each in new], gate),
        findings=compare_findings(old, new),
        judgements=(old, new),
    )


def _judged(side: Sequence[str | Path], models: Sequence[str | Path]) -> tuple[Judgement, ...]:
    found: list[Judgement] = []
    for path in side:
        timeline = load_bundle(Path(path), models)
        for other, known in zip(side, found, strict=False):
            if _is_one_capture(timeline, known.analyses.timeline):
                raise UsageError(
                    f"{path}: is the capture that {other} is, too, and no repeat of it; leave one of them out"
                )
        found.append(judge(Analyses(timeline)))
    return tuple(found)


def _is_one_capture(timeline: Timeline, other: Timeline) -> bool:
    """No two processes run anything in the same nanoseconds all along."""
    columns = ((each.runs.start_ns, each.runs.end_ns) for each in (timeline, other))
    return len(timeline.runs) > 0 and all(map(np.array_equal, *columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What differs between captures of two sides."""

    comparison: Comparison
    findings: tuple[FindingChange, ...]
    judgements: tuple[tuple[Judgement, ...], tuple[Judgement, ...]]
    """Of each capture before and after."""

    @property
    def verdict(self) -> str:
        """One sentence."""
        return diff_verdict(self.comparison)

    @property
    def regressed(self) -> bool:
        """Whether it is slower, or nobody can tell."""
        return self.comparison.verdict.outcome in (Outcome.SLOWER, Outcome.CANT_TELL)

    def render(self, form: DiffFormat) -> bytes:
        """The report in one of its formats, UTF-8."""
        if form == "html":
            from ortprobe.report.html.diff import render_diff_html

            return render_diff_html(self.comparison, self.findings, self.judgements).encode("utf-8", "replace")
        if form == "json":
            return diff_json(self.comparison, self.findings)
        if form == "markdown":
            return render_diff_markdown(self.comparison, self.findings).encode("utf-8", "replace")
        return self._plain_text().encode("utf-8", "replace")

    def _plain_text(self) -> str:
        from rich.console import Console

        page = StringIO()
        render_diff_text(self.comparison, self.findings, Console(file=page, width=_TEXT_WIDTH, no_color=True))
        return page.getvalue()
