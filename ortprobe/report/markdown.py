"""The report as Markdown, for a pull request or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.missing import missing
from ortprobe.report.node_lines import node_lines
from ortprobe.report.path_wording import basis_text, change_text, path_text, re_inits_text, saving_text
from ortprobe.report.run_wording import phase_differences_text, reason_text, spread_text, telling_reasons
from ortprobe.report.sayable import (
    doubt,
    stated_nodes,
    stated_operators,
    stated_overhead,
    stated_path_shares,
    stated_sessions,
    stated_slowest,
    stated_what_ifs,
    stated_without_re_inits,
)
from ortprobe.report.session_lines import session_lines
from ortprobe.report.verdict import verdict
from ortprobe.report.wording import CAUSE_LABELS, CREATION_LABELS, cost_text, found_by_kernels
from ortprobe.rules import Finding, Judgement
from ortprobe.units import format_ns, format_ratio

TOP_NODES = 10
TOP_CHANGES = 5
TOP_OPERATORS = 5
_TOP_PHASES = 3
_TOP_REASONS = 3
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&@-])")


def render_markdown(judgement: Judgement) -> str:
    """The whole report; names are escaped, so that they show as they are and mention, link or hide nothing."""
    analyses = judgement.analyses
    parts = [
        "# ortprobe report",
        f"**{escaped(verdict(judgement))}**",
        *(_finding(finding) for finding in judgement.findings),
        _runs(analyses),
        _sessions(analyses),
        _what_if(analyses),
        *_devices(analyses),
        _nodes(analyses),
        _operators(analyses),
        _missing(judgement),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return _SPECIAL.sub(r"\\\1", visible)


def _finding(finding: Finding) -> str:
    where = "".join(f"\n* at {escaped(site.file)}:{site.line}" for site in finding.where)
    cost = f"{cost_text(finding) or format_ns(None)} ({finding.confidence.value})"
    return (
        f"## {finding.code} {finding.severity.value}: {escaped(finding.title)}\n\n"
        f"{escaped(finding.detail)}\n\n* cost: {cost}{where}\n\n"
        f"{code_block(finding.fix)}"
    )


def code_block(text: str) -> str:
    """A fence longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _runs(analyses: Analyses) -> str:
    runs, overhead = analyses.runs, stated_overhead(analyses)
    if not len(runs.latency_ns):
        return ""
    count = f"{len(runs.latency_ns):,}"
    if unknown := doubt(analyses, Claim.LATENCY):
        return "## Runs\n\n" + table(("", "value"), [("runs", count), ("how long they took", unknown)])
    rows = [
        ("runs", count),
        ("first", format_ns(runs.first_ns)),
        ("steady", spread_text(runs.latency)),
        ("period", spread_text(runs.period)),
        ("median, untraced", format_ns(overhead.untraced_median_ns)),
        ("median, traced", format_ns(overhead.traced_median_ns)),
        *_slowest(analyses),
    ]
    return "## Runs\n\n" + table(("", "value"), rows)


def _slowest(analyses: Analyses) -> Iterable[tuple[str, str]]:
    slowest = stated_slowest(analyses)
    if slowest is None:
        return
    against = f"{format_ns(slowest.slow_ns)}, run {slowest.median} like it {format_ns(slowest.median_ns)}"
    yield f"slowest, run {slowest.slow}", f"{against}: {phase_differences_text(slowest, _TOP_PHASES)}"
    for reason in telling_reasons(slowest, _TOP_REASONS):
        yield "in it", reason_text(reason, analyses.timeline)


def _sessions(analyses: Analyses) -> str:
    rows = [
        (
            str(life.session.index),
            CREATION_LABELS[life.session.creation],
            format_ns(life.creation_ns),
            f"{life.runs:,}",
            format_ns(life.first_run_ns),
            format_ns(life.steady_run_ns),
        )
        for life in stated_sessions(analyses).lives
    ]
    columns = ("session", "origin", "creation", "runs", "first run", "steady run")
    lines = "".join(f"\n\n{escaped(line)}." for line in session_lines(analyses))
    return "## Sessions\n\n" + table(columns, rows) + lines if rows else ""


def _what_if(analyses: Analyses) -> str:
    """Critical path, and the changes that save most."""
    shares, what_ifs = stated_path_shares(analyses), stated_what_ifs(analyses)
    parts = [f"Critical path of steady runs: {escaped(path_text(shares, analyses.timeline))}."] if shares else []
    parts += [f"{escaped(re_inits_text(each))}." for each in stated_without_re_inits(analyses)]
    if what_ifs is not None:
        rows = [
            (
                change_text(change, analyses.timeline),
                format_ns(change.pace_ns),
                f"{format_ns(change.low_ns)} to {format_ns(change.high_ns)}",
                saving_text(change, what_ifs),
            )
            for change in what_ifs.changes[:TOP_CHANGES]
        ]
        parts += [table(("change", "a run would take", "bounds", "saves"), rows), f"{escaped(basis_text(what_ifs))}."]
    return "## What if\n\n" + "\n\n".join(parts) if parts else ""


def _devices(analyses: Analyses) -> Iterable[str]:
    unknown = doubt(analyses, Claim.IDLE)
    for device in analyses.idle.devices:
        if unknown:
            yield f"## GPU {device.device}\n\nBusy and idle time: {escaped(unknown)}."
            continue
        rows = [
            (CAUSE_LABELS[cause], format_ns(time_ns), format_ratio(time_ns, device.idle_ns))
            for cause, time_ns in device.idle_by_cause.items()
        ]
        busy = f"busy {format_ns(device.busy_ns)} of {format_ns(device.window_ns)}"
        yield f"## GPU {device.device}: {busy}\n\n" + table(("idle because of", "time", "of idle"), rows)


def _nodes(analyses: Analyses) -> str:
    rows = [
        (str(node.session), node.name, node.op_type, node.provider, format_ns(node.device_ns), format_ns(node.host_ns))
        for node in stated_nodes(analyses).nodes[:TOP_NODES]
    ]
    columns = ("session", "node", "operator", "provider", "device", "host")
    found = escaped(found_by_kernels(analyses.nodes, analyses.attribution))
    note = f"\n\n{found}." if found else ""
    note += "".join(f"\n\n{escaped(line)}." for line in node_lines(analyses))
    return "## Dearest nodes\n\n" + table(columns, rows) + note if rows else ""


def _operators(analyses: Analyses) -> str:
    rows = [
        (str(each.session), each.op_type, each.provider, str(each.sums.nodes), format_ns(each.sums.device_ns),
         format_ratio(each.sums.share or 0, 1) if each.sums.share is not None else "–", format_ns(each.sums.host_ns))
        for each in stated_operators(analyses).operators[:TOP_OPERATORS]
    ]  # fmt: skip
    columns = ("session", "operator", "provider", "nodes", "device", "of session", "host")
    return "## Dearest operators\n\n" + table(columns, rows) if rows else ""


def _missing(judgement: Judgement) -> str:
    lines = [f"{each.what}: {each.why}" for each in missing(judgement)]
    return "## Not captured, not judged\n\n" + "\n".join(f"* {escaped(line)}" for line in lines) if lines else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns)]
    body = [[escaped(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [*lines, *body])
