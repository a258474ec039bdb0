"""The GPU had nothing to do between one run and the next.

What it is
    Between runs the program does something else on the host (loads and prepares data, copies, waits, post-processes)
    and launches nothing meanwhile.

Why it matters
    A faster model does not help a program whose GPU waits for the host.

Evidence
    The time from the end of one run to the start of the next in which the device had no kernel, copy or fill, cut into
    causes by what the launching thread was doing, with the lines of the program where it was. Making sessions and the
    profiler's own work don't count, and the median over all gaps does, so that one slow first call is not taken for the
    loop.

Cost
    The median, as often as there are gaps: what overlapping the host's work with the GPU's could win at most.

Fix
    Prepare the next input while the GPU works on this one (a thread or a queue, pinned memory and `non_blocking` copies
    on a stream of their own), and don't wait for results before they are needed.

When it is wrong
    Tracing makes the host slower and the GPU hardly, so the share is smaller without it. A service that waits for
    requests idles because there is nothing to do.

Source
    The cutting of gaps is this project's (`ortprobe/analysis/idle/`).
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.idle.idle_lines import DeviceLines
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import BETWEEN_RUNS_NEEDED, BETWEEN_RUNS_SHARE
from ortprobe.timeline import NONE, Int64s, Site, Timeline
from ortprobe.timeline.groups import sum_by_group
from ortprobe.timeline.intervals import Intervals, union
from ortprobe.units import format_ns, format_ratio

NOT_THE_LOOP = (IdleCause.SESSION_INIT, IdleCause.PROFILER, IdleCause.NO_MORE_WORK)
MAIN_CAUSES = 3
MAIN_LINES = 3
_LEFT_OUT = [CAUSES.index(cause) for cause in NOT_THE_LOOP]

_FIX = """\
Prepare the next input while the GPU works on this one:
    host = torch.empty_like(batch, pin_memory=True)
    with torch.cuda.stream(copy_stream):
        device_input.copy_(host, non_blocking=True)
    compute_stream.wait_stream(copy_stream)"""


def check(analyses: Analyses) -> Outcome:
    devices = analyses.idle.devices
    if not devices:
        # A capture of our own that names no GPU is of a program without one; bare files leave that open.
        capture = analyses.timeline.capture
        why = "no device work was recorded"
        return NotApplicable(why=why, evidence_missing=bool(capture.devices) or not capture.hooked)
    if doubtful := cant_tell(analyses, Claim.IDLE):
        return doubtful
    between, period_ns = _between_runs(analyses.timeline)
    if len(period_ns) < BETWEEN_RUNS_NEEDED:
        return NotApplicable(why="too few runs were recorded with the GPU to speak of a loop", evidence_missing=True)
    busiest = min(devices, key=lambda device: _median(_idle_ns(device, between)))
    typical_ns = _median(_idle_ns(busiest, between))
    if typical_ns < BETWEEN_RUNS_SHARE * _median(period_ns):
        return Passed()
    (lines,) = (each for each in analyses.idle_lines.devices if each.device == busiest.device)
    where = _dearest_lines(analyses.timeline, busiest, lines, between)
    return _finding(busiest, between, typical_ns, _median(period_ns), where)


def _finding(
    device: DeviceIdle, between: Intervals, typical_ns: int, period_ns: int, where: tuple[Site, ...]
) -> Finding:  # fmt: skip
    by_cause = {cause: _median(_idle_ns(device, between, cause)) for cause in device.idle_by_cause}
    main = sorted(by_cause.items(), key=lambda each: -each[1])[:MAIN_CAUSES]
    causes = ", ".join(f"{cause.value} {format_ns(time_ns)}" for cause, time_ns in main if time_ns)
    share = format_ratio(typical_ns, period_ns)
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"GPU {device.device} idles for {format_ns(typical_ns)} between two runs, {share} of the loop",
        detail=f"Medians over {len(between[0])} gaps. Because of: {causes}. Tracing slows the host, so without it the "
        "share is smaller.",
        count=len(between[0]),
        cost_ns=typical_ns * len(between[0]),
        confidence=Confidence.LIKELY,
        where=where,
        evidence=cited(_typical_evidence(device, between, typical_ns)),
        fix=_FIX,
        over_runs=len(between[0]),
        paid=between,
    )


def _dearest_lines(
    timeline: Timeline, device: DeviceIdle, lines: DeviceLines, between: Intervals
) -> tuple[Site, ...]:  # fmt: skip
    """The lines that the host was at in most of the idle time between runs; between two calls, the one behind it."""
    columns = device.columns
    name = np.where(lines.piece_site != NONE, lines.piece_site, lines.piece_next_site)
    counted = (name != NONE) & ~np.isin(columns.piece_cause, _LEFT_OUT)
    pieces = columns.piece_start_ns[counted], columns.piece_end_ns[counted]
    idle_ns = sum_by_group(name[counted], covered_ns(between, pieces), len(timeline.names))
    dearest = np.argsort(-idle_ns, kind="stable")[:MAIN_LINES]
    sites = (timeline.site_at(name) for name in dearest.tolist() if idle_ns[name])
    return tuple(site for site in sites if site is not None)


def _typical_evidence(device: DeviceIdle, between: Intervals, typical_ns: int) -> list[int]:
    """What shows the causes in the gap whose idle time is closest to the median, the longest piece first."""
    row = int(np.argmin(np.abs(_idle_ns(device, between) - typical_ns)))
    columns = device.columns
    inside = np.flatnonzero((columns.piece_end_ns > between[0][row]) & (columns.piece_start_ns < between[1][row]))
    length_ns = columns.piece_end_ns[inside] - columns.piece_start_ns[inside]
    return [int(span) for span in columns.piece_because[inside[np.argsort(-length_ns, kind="stable")]]]


def _between_runs(timeline: Timeline) -> tuple[Intervals, Int64s]:
    """(time from one run to the next, from the start of one run to the start of the next), where both were watched."""
    start_ns, end_ns = union(timeline.runs.start_ns, timeline.runs.end_ns)
    window_start_ns, window_end_ns = recorded_windows(timeline)
    if not len(start_ns) or not len(window_start_ns):
        return (start_ns[:0], end_ns[:0]), start_ns[:0]
    window = np.searchsorted(window_start_ns, start_ns[:-1], side="right") - 1
    watched = (window >= 0) & (end_ns[1:] <= window_end_ns[np.maximum(window, 0)])
    return (end_ns[:-1][watched], start_ns[1:][watched]), np.diff(start_ns)[watched]


def _idle_ns(device: DeviceIdle, between: Intervals, cause: IdleCause | None = None) -> Int64s:
    """Idle time in each gap between runs: with one cause, or with any that is the loop's."""
    columns = device.columns
    counted = columns.piece_cause == CAUSES.index(cause) if cause else ~np.isin(columns.piece_cause, _LEFT_OUT)
    return covered_ns((columns.piece_start_ns[counted], columns.piece_end_ns[counted]), between)


def _median(times_ns: Int64s) -> int:
    return int(np.median(times_ns))


RULE = Rule(code="I1", name="idle_between_runs", severity=Severity.INFO, check=check, fix=_FIX)
