"""A judged capture as an object: verdict, findings, tables to look at with pandas, and every format of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundles, load_files
from ortprobe.report import frames
from ortprobe.report.findings_json import findings_json
from ortprobe.report.markdown import render_markdown
from ortprobe.report.text import render_details, render_screen
from ortprobe.report.verdict import verdict
from ortprobe.rules import Finding, Judgement, judge
from ortprobe.timeline import Timeline

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["chrome", "details", "html", "json", "markdown", "nvtxt", "perfetto", "text"]
_DETAILS_WIDTH = 120
_SCREEN_WIDTH = 100
_FRAME_HEIGHT_PX = 860
"""Verdict, causes and some of the findings, or all of a usual timeline; the page scrolls inside its frame."""


def load(
    source: str | Path | Sequence[str | Path] = (),
    *,
    ort: Sequence[str | Path] = (),
    torch: Sequence[str | Path] = (),
    models: Sequence[str | Path] = (),
    nsys: Sequence[str | Path] = (),
) -> Report:
    """Read, analyse and judge a bundle, which may be packed, a trace for Perfetto or Chrome that ortprobe made of one,
    or bare ORT profiles and torch traces.

    `nsys` are exports of Nsight Systems to SQLite, by themselves, with ORT profiles, or of the processes that the
    bundles are of.

    Several bundles, or files of several processes of one machine, are put on one timeline.

    With the model files that ran (`models`; a bundle finds its own where they still lie unchanged), executed nodes
    have the names they had before ORT optimised, the size of their weights and the shape of their output.

    >>> report = ortprobe.load("reports/set-providers/set-providers.ortprobe")
    >>> report.nodes().head()
    >>> report.timeline.to_pandas().spans.head()

    Raises:
        UnreadableInput: a file is missing, damaged, or something else than a trace.
        UsageError: there is nothing to load, a model of no session, an export of none of the bundles' processes, or
            a trace that ortprobe made beside other sources.
    """
    sources, exports = [source] if isinstance(source, str | Path) else source, [Path(one) for one in nsys]
    if sources:
        timeline = load_bundles([Path(one) for one in sources], models=models, nsys=exports)
    else:
        timeline = load_files(ort=ort, torch=torch, models=models, nsys=exports)
    return Report(judge(Analyses(timeline)))


@dataclass(frozen=True, slots=True)
class Report:
    """What a capture says. Every figure is computed when it is first asked for, and once."""

    judgement: Judgement

    @property
    def timeline(self) -> Timeline:
        return self.judgement.analyses.timeline

    @property
    def verdict(self) -> str:
        """One sentence."""
        return verdict(self.judgement)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The gravest first, then the dearest."""
        return self.judgement.findings

    def runs(self) -> pd.DataFrame:
        """One row a run: session, start, latency and its phases in ns, what was attached."""
        return frames.runs(self.judgement.analyses)

    def sessions(self) -> pd.DataFrame:
        """One row a C session: why it was made, what making it and its first runs cost in ns, what memory it holds."""
        return frames.sessions(self.judgement.analyses)

    def first_runs(self) -> pd.DataFrame:
        """What runs took over steady ones, in ns, part by part: the first of each session, and with new shapes."""
        return frames.first_runs(self.judgement.analyses)

    def nodes(self) -> pd.DataFrame:
        """One row an ONNX node of a session, the dearest first: device and host time in ns, kernels, bytes, waits."""
        return frames.nodes(self.judgement.analyses)

    def operators(self) -> pd.DataFrame:
        """One row an operator on a provider in a session, the dearest first: nodes, device and host time in ns."""
        return frames.operators(self.judgement.analyses)

    def attribution(self) -> pd.DataFrame:
        """Kernels, copies and fills by how their node was found, or why they have none: count, device time in ns."""
        return frames.attribution(self.judgement.analyses)

    def waits(self) -> pd.DataFrame:
        """One row a wait: who waited for which streams, and how long in ns."""
        return frames.waits(self.judgement.analyses)

    def idle(self) -> pd.DataFrame:
        """One row a piece of idle time of a device: start, end and duration in ns, its one cause, and the line."""
        return frames.idle(self.judgement.analyses)

    def critical_paths(self) -> pd.DataFrame:
        """One row a piece of a run's critical path: its kind, and what the host was doing; they sum to the latency."""
        return frames.critical_paths(self.judgement.analyses)

    def what_ifs(self) -> pd.DataFrame:
        """One row a change, what saves most first: what one run would take with it, in ns, with bounds."""
        return frames.what_ifs(self.judgement.analyses)

    def _repr_html_(self) -> str:
        """The page for a notebook, in a frame that keeps it apart from the notebook's own scripts, styles and data."""
        page = escape(self.render("html").decode())
        return (
            f'<iframe title="ortprobe report" sandbox="allow-scripts" allow="clipboard-write" srcdoc="{page}" '
            f'style="width: 100%; height: {_FRAME_HEIGHT_PX}px; border: 0"></iframe>'
        )

    def to_parquet(self, folder: str | Path, *, force: bool = False) -> None:
        """Write the tables of `timeline.to_pandas()` as `folder/NAME.parquet`, what they mean as `columns.md`.

        Raises:
            OutputExists: the folder is already there and `force` is not set.
            UsageError: pyarrow is not installed, or the folder can't be written or replaced.
        """
        from ortprobe.report.parquet import write_parquet

        write_parquet(self.timeline.to_pandas(), Path(folder), force=force)

    def render(self, form: Format) -> bytes:
        """The report in one of its formats, UTF-8.

        Raises:
            UsageError: for `nvtxt`, where no recording of Nsight Systems was given, or no node has its place in it.
        """
        match form:
            case "html":
                from ortprobe.report.html import render_html

                return render_html(self.judgement).encode("utf-8", "replace")
            case "json":
                return findings_json(self.judgement)
            case "markdown":
                return render_markdown(self.judgement).encode("utf-8", "replace")
            case "chrome" | "nvtxt" | "perfetto":
                return self._for_viewers(form)
            case "details" | "text":
                return self._plain_text(form).encode("utf-8", "replace")

    def _for_viewers(self, form: Literal["chrome", "nvtxt", "perfetto"]) -> bytes:
        if form == "chrome":
            from ortprobe.report.perfetto.chrome import render_chrome

            return render_chrome(self.judgement)
        if form == "perfetto":
            from ortprobe.report.perfetto.trace import render_perfetto

            return render_perfetto(self.judgement)
        from ortprobe.report.nvtxt import render_nvtxt

        return render_nvtxt(self.timeline)

    def _plain_text(self, form: Literal["details", "text"]) -> str:
        from rich.console import Console

        page = StringIO()
        if form == "text":
            render_screen(self.judgement, Console(file=page, width=_SCREEN_WIDTH, no_color=True))
        else:
            render_details(self.judgement, Console(file=page, width=_DETAILS_WIDTH, no_color=True))
        return page.getvalue()
