"""The report for a terminal: one screen that says what happened, what to change, and what nobody knows."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.claims import Claim
from ortprobe.analysis.idle import DeviceIdle
from ortprobe.analysis.sessions import SessionLife
from ortprobe.names import printable
from ortprobe.report.sayable import doubt, stated_nodes, stated_overhead, unsayable
from ortprobe.report.verdict import verdict
from ortprobe.report.wording import CAUSE_LABELS, CREATION_LABELS, found_by_kernels, found_in_models, operator_text
from ortprobe.rules import Finding, Judgement, NotApplicable, RuleFailed, Severity
from ortprobe.timeline import Problem
from ortprobe.units import NOT_MEASURED, format_ns, format_ratio

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
TOP_NODES = 10
TOP_WAITS = 5


def render_text(judgement: Judgement, console: Console) -> None:
    """Print the report. All names come from traces and are printed as they are, never read as markup."""
    analyses = judgement.analyses
    console.print(Text(verdict(judgement), style="bold"))
    sections: list[tuple[str, RenderableType | None]] = [
        ("Findings", _findings(judgement)),
        ("Sessions", _sessions(analyses)),
        ("Runs", _runs(analyses)),
        ("Device", _devices(analyses)),
        ("Nodes", _nodes(analyses)),
        ("Waits", _waits(analyses)),
        ("Child processes, each a bundle of its own", _children(analyses)),
        ("Not captured, not judged", _missing(judgement)),
    ]
    for title, body in sections:
        if body is not None:
            console.print()
            console.print(Text(title, style="bold underline"))
            console.print(Padding(body, (0, 0, 0, 2)))


def _findings(judgement: Judgement) -> RenderableType | None:
    if not judgement.findings:
        return None
    return Group(*(_finding(finding) for finding in judgement.findings))


def _finding(finding: Finding) -> RenderableType:
    head = Text.assemble(
        (f"{finding.code} {finding.severity.value}", STYLES[finding.severity]), "  ", (printable(finding.title), "bold")
    )
    cost = f"cost {format_ns(finding.cost_ns)}, {finding.confidence.value}"
    where = ", ".join(f"{site.file}:{site.line}" for site in finding.where)
    lines = [f"{cost}; at {where}" if where else cost, finding.detail, *finding.fix.splitlines()]
    body = Text("\n".join(printable(line) for line in lines))
    return Group(head, Padding(body, (0, 0, 0, 4)))


def _sessions(analyses: Analyses) -> RenderableType | None:
    if not analyses.sessions.lives:
        return None
    table = _table("session", "origin", *("creation", "runs", "first run", "steady run", "re-init cost"), right_from=2)
    for life in analyses.sessions.lives:
        table.add_row(
            Text(str(life.session.index)),
            Text(_origin(life)),
            format_ns(life.creation_ns),
            str(life.runs),
            format_ns(life.first_run_ns),
            format_ns(life.steady_run_ns),
            format_ns(life.re_init_cost_ns) if life.session.replaces is not None else "–",
        )
    return table


def _origin(life: SessionLife) -> str:
    session = life.session
    replaced = f", replaced {session.replaces}" if session.replaces is not None else ""
    inferred = " (inferred)" if session.replaces_is_inferred else ""
    failed = f", failed: {printable(session.error)}" if session.error else ""
    return f"{CREATION_LABELS[session.creation]}{replaced}{inferred}{failed}"


def _runs(analyses: Analyses) -> RenderableType | None:
    runs, overhead = analyses.runs, stated_overhead(analyses)
    if not len(runs.latency_ns):
        return None
    failed = int(runs.failed.sum())
    first, median, p99 = (format_ns(time_ns) for time_ns in (runs.first_ns, runs.median_ns, runs.p99_ns))
    untraced, traced = format_ns(overhead.untraced_median_ns), format_ns(overhead.traced_median_ns)
    ratio = f"× {overhead.ratio:.2f}" if overhead.ratio is not None else NOT_MEASURED
    lines = [
        f"{len(runs.latency_ns)} runs" + (f", {failed} of them raised" if failed else ""),
        f"first {first}, median {median}, 99th percentile {p99}",
        f"median untraced {untraced}, traced {traced}; tracing {ratio}",
    ]
    return Text("\n".join(lines))


def _devices(analyses: Analyses) -> RenderableType | None:
    devices = analyses.idle.devices
    if not devices:
        return None
    unknown = doubt(analyses, Claim.IDLE)
    return Text(f"busy and idle time: {unknown}") if unknown else Group(*(_device(device) for device in devices))


def _device(device: DeviceIdle) -> RenderableType:
    busy = format_ratio(device.busy_ns, device.window_ns)
    times = f"busy {format_ns(device.busy_ns)} of {format_ns(device.window_ns)} ({busy})"
    head = Text(f"GPU {device.device}: {times}; idle by cause")
    table = _table("cause", "time", "of idle", right_from=1)
    for cause, time_ns in device.idle_by_cause.items():
        table.add_row(CAUSE_LABELS[cause], format_ns(time_ns), format_ratio(time_ns, device.idle_ns))
    return Group(head, table)


def _nodes(analyses: Analyses) -> RenderableType | None:
    times = stated_nodes(analyses)
    if not times.nodes:
        return None
    measured = ("device", "host", "kernels") if times.by_device else ("host",)
    table = _table("session", "node", "operator", "provider", *measured, right_from=4)
    for node in times.nodes[:TOP_NODES]:
        names = (node.name, operator_text(node), node.provider.removesuffix("ExecutionProvider"))
        host, device = format_ns(node.host_ns), format_ns(node.device_ns)
        kernels = str(node.kernels) if node.device_ns is not None else NOT_MEASURED
        figures = (device, host, kernels) if times.by_device else (host,)
        table.add_row(str(node.session), *(Text(printable(name)) for name in names), *figures)
    shown = f"the dearest {min(TOP_NODES, len(times.nodes))} of {len(times.nodes)}"
    found = found_by_kernels(times, analyses.attribution)
    blind = doubt(analyses, Claim.NODE_TIME) or "no device time was captured"
    note = shown if times.by_device else f"{shown}, by host time: {blind}"
    lines = ("; ".join((note, *found_in_models(times))), found)
    return Group(table, *(Text(line) for line in lines if line))


def _waits(analyses: Analyses) -> RenderableType | None:
    waits = analyses.waits
    if not waits.waits:
        return None
    table = _table("call", "waits", "stalled", "resolved", right_from=1)
    names = dict.fromkeys(wait.name for wait in waits.waits)
    by_name = {name: [wait for wait in waits.waits if wait.name == name] for name in names}
    dearest = sorted(by_name.items(), key=lambda each: -sum(wait.stall_ns or 0 for wait in each[1]))
    for name, group in dearest[:TOP_WAITS]:
        known = [wait.stall_ns for wait in group if wait.stall_ns is not None]
        table.add_row(
            Text(printable(name)),
            str(len(group)),
            format_ns(sum(known) if known else None),
            f"{len(known)} of {len(group)}",
        )
    return table


def _children(analyses: Analyses) -> RenderableType | None:
    children = analyses.timeline.capture.children
    if not children:
        return None
    table = _table("process", "sessions", "runs", "bundle", right_from=0)
    table.columns[-1].justify = "left"
    for child in children:
        table.add_row(str(child.process), str(child.sessions), f"{child.runs:,}", Text(printable(child.bundle)))
    return table


def _missing(judgement: Judgement) -> RenderableType | None:
    problems = [_problem(judgement.analyses, problem) for problem in judgement.analyses.integrity.problems]
    unjudged = [
        f"{judged.rule.code} {judged.rule.name}: {judged.outcome.why}"
        for judged in judgement.judged
        if isinstance(judged.outcome, NotApplicable) and judged.outcome.evidence_missing
    ]
    broken = [
        f"{judged.rule.code} {judged.rule.name} broke: {judged.outcome.error}"
        for judged in judgement.judged
        if isinstance(judged.outcome, RuleFailed)
    ]
    lines = problems + unjudged + broken
    return Text("\n".join(printable(line) for line in lines)) if lines else None


def _problem(analyses: Analyses, problem: Problem) -> str:
    forbidden = unsayable(analyses, problem)
    return f"{problem.kind.value}: {problem.detail}" + (f" (not to be told: {forbidden})" if forbidden else "")


def _table(*columns: str, right_from: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position >= right_from else "left", overflow="fold")
    return table
