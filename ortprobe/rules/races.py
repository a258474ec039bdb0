"""What the rules about order have in common: which of them a pair of accesses belongs to, and how it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.accesses import MemoryAccess
from ortprobe.analysis.races.memory_order import OrderedPair, Unknown, Verdict, has_device_bindings
from ortprobe.analysis.races.order import Hazard
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import NONE, ProblemKind, Site, Timeline
from ortprobe.units import format_ns

_UNKNOWN = {
    Unknown.WAITS: "a wait between them does not say what it waited for, or asked and the answer was not recorded",
    Unknown.THREADS: "two threads made the calls, and no hand-over between them was seen",
    Unknown.FLAGS: "it is not known whether a stream orders itself with the legacy default stream",
    Unknown.STREAMS: "the run used several streams, not all of them ordered, and which one reads is not known",
    Unknown.PART: "which part of the memory an operation of torch touches is not known",
    Unknown.RANGES: "nothing orders them, and whether they touch the same memory is not known without hooks",
    Unknown.RECORDS: "records of waits are missing from the trace",
}


_OTHERS = {
    Verdict.OK: "ordered",
    Verdict.FRAGILE: "ordered only by what CUDA does not promise",
    Verdict.UNVERIFIABLE: "that can't be told",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one rule tells its pairs."""

    title: Callable[[int, int], str]
    """From how many pairs raced, and how many there were."""
    meaning: str


def is_input_before_run(pair: OrderedPair) -> bool:
    """Whether a run reads what was written before it."""
    return pair.hazard is Hazard.READ_AFTER_WRITE and pair.second.run != NONE


def is_output_read(pair: OrderedPair) -> bool:
    """Whether something that is no run reads what a run wrote."""
    wrote = pair.hazard is Hazard.READ_AFTER_WRITE and pair.first.run != NONE
    return wrote and pair.second.run == NONE


def is_input_overwritten(pair: OrderedPair) -> bool:
    """Whether something that is no run writes what a run reads, or another write has just written."""
    if pair.second.run != NONE or not pair.second.writes:
        return False
    return pair.hazard is Hazard.WRITE_AFTER_READ or pair.first.run == NONE


def is_output_overwritten(pair: OrderedPair) -> bool:
    """Whether a run writes what is still read or written by what was before it, or its output is overwritten."""
    after_write = pair.hazard is Hazard.WRITE_AFTER_WRITE
    return (pair.second.run != NONE and pair.second.writes) or (after_write and pair.first.run != NONE)


def has_user_stream(timeline: Timeline, run: int) -> bool:
    """Whether the session of a run uses a stream that the program gave it."""
    session = int(timeline.runs.session[run])
    if session == NONE:
        return False
    options = timeline.sessions[session].provider_options.get("CUDAExecutionProvider", {})
    return options.get("has_user_compute_stream", "0") == "1"


def judge_pairs(
    analyses: Analyses, rule: Rule, belongs: Callable[[Timeline, OrderedPair], bool], words: Wording
) -> Outcome:
    """A finding for races, a mild one for pairs that only unpromised waits order; else why there is none."""
    if blind := blindness(analyses):
        return blind
    pairs = [pair for pair in analyses.races.pairs if belongs(analyses.timeline, pair)]
    of = {verdict: [pair for pair in pairs if pair.verdict is verdict] for verdict in Verdict}
    if of[Verdict.RACE]:
        return _race(analyses, rule, of, words)
    if of[Verdict.UNVERIFIABLE]:
        reasons = Counter(pair.unknown for pair in of[Verdict.UNVERIFIABLE] if pair.unknown is not None)
        told = "; ".join(f"{count} because {_UNKNOWN[reason]}" for reason, count in reasons.most_common())
        why = f"whether {len(of[Verdict.UNVERIFIABLE])} of {len(pairs)} pairs of accesses are ordered: {told}"
        return NotApplicable(why=f"can't tell {why}", evidence_missing=True)
    if of[Verdict.FRAGILE]:
        return _fragile(analyses, rule, of)
    return Passed() if pairs else _nothing_of_the_kind(analyses)


def blindness(analyses: Analyses) -> NotApplicable | None:
    """Why this capture can't show an order, or has none to show."""
    timeline = analyses.timeline
    if any(problem.kind is ProblemKind.NO_GPU_TRACE for problem in timeline.problems):
        why = "there is no device work to order: on the CPU every call is complete when it returns"
        return NotApplicable(why=why, evidence_missing=bool(timeline.capture.devices))
    return cant_tell(analyses, Claim.ORDER)


def unhooked(analyses: Analyses) -> NotApplicable | None:
    """The answer of a rule about calls that only hooks see."""
    if analyses.timeline.capture.hooked:
        return None
    return NotApplicable(why="only the hook log says which buffers were bound and written", evidence_missing=True)


def _nothing_of_the_kind(analyses: Analyses) -> NotApplicable:
    if blind := unhooked(analyses):
        return blind
    if not has_device_bindings(analyses.timeline):
        return NotApplicable(why="the program bound no buffers on a device", evidence_missing=False)
    seen = bool(analyses.races.pairs)
    why = "no such pair of accesses was seen" if seen else "no access to a bound buffer was seen"
    return NotApplicable(why=why, evidence_missing=not seen)


def _race(analyses: Analyses, rule: Rule, of: dict[Verdict, list[OrderedPair]], words: Wording) -> Finding:
    races = sorted(of[Verdict.RACE], key=lambda pair: pair.slack_ns)
    overlaps = [pair for pair in races if pair.slack_ns < 0]
    worst, total = races[0], sum(map(len, of.values()))
    detail = [f"{_told(analyses.timeline, worst)} Nothing orders the two. {words.meaning}"]
    if overlaps:
        detail.append(f"They overlapped on the device in {len(overlaps)} of {len(races)}, by up to "
                      f"{format_ns(-worst.slack_ns)}.")  # fmt: skip
    else:
        slack_ns = int(np.median([pair.slack_ns for pair in races]))
        detail.append(f"It came out right in this capture, with {format_ns(worst.slack_ns)} to spare at the least "
                      f"and {format_ns(slack_ns)} as a rule: a faster or busier machine may differ.")  # fmt: skip
    detail += _tries(analyses.timeline, races)
    if others := ", ".join(f"{len(of[verdict])} {_OTHERS[verdict]}" for verdict in _OTHERS if of[verdict]):
        detail.append(f"Other pairs: {others}.")
    return Finding(
        code=rule.code,
        severity=Severity.ERROR if overlaps else Severity.WARNING,
        title=words.title(len(races), total) + ("" if overlaps else " (it came out right this time)"),
        detail=" ".join(detail),
        count=len(races),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=_sites(races),
        evidence=cited([span for pair in races for span in (pair.first.end, pair.second.begin)]),
        fix=rule.fix,
    )


def _fragile(analyses: Analyses, rule: Rule, of: dict[Verdict, list[OrderedPair]]) -> Finding:
    fragile = of[Verdict.FRAGILE]
    return Finding(
        code=rule.code,
        severity=Severity.INFO,
        title=f"{len(fragile)} of {sum(map(len, of.values()))} pairs of accesses are ordered only by what CUDA does "
        "not promise",
        detail=f"{_told(analyses.timeline, fragile[0])} What orders the two is a wait inside of a call that need not "
        "wait, such as cudaMalloc, or a copy from pageable memory that may return before it has arrived.",
        count=len(fragile),
        cost_ns=None,
        confidence=Confidence.LIKELY,
        where=_sites(fragile),
        evidence=cited([span for pair in fragile for span in (pair.first.end, pair.second.begin)]),
        fix=rule.fix,
    )


def _tries(timeline: Timeline, races: Sequence[OrderedPair]) -> Iterator[str]:
    """What running the program again gave for these races. That nothing changed is no proof that nothing can."""
    keys = {(pair.hazard.value, str(pair.first.site), str(pair.second.site)) for pair in races}
    for one in timeline.capture.race_tries:
        if (one.hazard, one.first_site, one.second_site) in keys:
            if one.changed:
                yield f"Confirmed: with the first held up, the output changed in {one.changed} of {one.tried} tries."
            else:
                yield f"Not confirmed: {one.why}."


def _told(timeline: Timeline, pair: OrderedPair) -> str:
    """Both accesses in a sentence: what, where in the program, on which stream, which run."""
    buffer = pair.second.buffer or pair.first.buffer
    memory = f"the memory of '{buffer}'" if buffer else "the same memory"
    return f"{_access(timeline, pair.first)}, and then {_access(timeline, pair.second)}, in {memory}."


def _access(timeline: Timeline, access: MemoryAccess) -> str:
    does = "writes" if access.writes else "reads"
    where = f" at {access.site}" if access.site is not None else ""
    lane = timeline.lane_of(access.end)
    on = f" on stream {lane.stream}" if lane.stream != NONE else ""
    run = f" (run {access.run})" if access.run != NONE else ""
    return f"{access.what}{where} {does}{on}{run}"


def _sites(pairs: Sequence[OrderedPair]) -> tuple[Site, ...]:
    """Lines of the second accesses first: there a wait is missing."""
    return distinct_sites(one.site for pair in pairs for one in (pair.second, pair.first))
