"""How changes are said in front of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ortprobe.analysis.comparison.accounts import Account, Part, PartChange, PartKind
from ortprobe.analysis.comparison.bootstrap import Change
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.node_matches import NodeMatch, NodePair
from ortprobe.analysis.comparison.run_changes import Measure
from ortprobe.analysis.comparison.session_matches import MatchedSession, SessionMatch
from ortprobe.analysis.comparison.surroundings import Difference
from ortprobe.analysis.runs.run_phases import Phase
from ortprobe.report.run_wording import PHASE_LABELS, attached_text, signed_ns
from ortprobe.report.wording import CAUSE_LABELS, WAIT_ROLE_LABELS
from ortprobe.timeline import NONE

MEASURE_LABELS: Mapping[Measure, str] = {
    Measure.MEDIAN: "run, median",
    Measure.P99: "run, p99",
    Measure.FIRST: "first run",
    Measure.PERIOD: "run to run, median",
}
NODE_MATCH_LABELS: Mapping[NodeMatch, str] = {
    NodeMatch.NAME: "",
    NodeMatch.ORIGIN: "the same nodes of the model",
    NodeMatch.POSITION: "by its place",
    NodeMatch.ONLY_BEFORE: "gone",
    NodeMatch.ONLY_AFTER: "only after",
}
SESSION_MATCH_LABELS: Mapping[SessionMatch, str] = {
    SessionMatch.CONTENT: "the same model file",
    SessionMatch.NAME: "model files of the same name",
    SessionMatch.ORDER: "matched by order alone",
    SessionMatch.ONLY_BEFORE: "before alone",
    SessionMatch.ONLY_AFTER: "after alone",
}
_SMALL_PART = 0.01
"""Parts with less of what differs are told together."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an account; a time is None where the line has a difference alone."""

    name: str
    before_ns: int | None
    after_ns: int | None
    more_ns: int
    part: Part | None = None
    """None for several parts together, and for what is in none."""


def percent(share: float) -> str:
    """`3.9 %`, and `× 12` for shares that no percentage makes clear."""
    return f"{100 * share:.1f} %" if abs(share) < 5 else f"× {1 + share:.0f}"


def share_text(change: Change) -> str:
    """`5.1 %`, without a sign."""
    return percent(abs(change.factor - 1))


def signed_percent(share: float) -> str:
    """`+5.1 %`."""
    return f"{'+' if share >= 0 else '−'}{percent(abs(share))}"


def interval_text(change: Change) -> str:
    """`+3.9 % to +6.2 %`."""
    return f"{signed_percent(change.low - 1)} to {signed_percent(change.high - 1)}"


def session_name(session: MatchedSession) -> str:
    """The model's file name after the change, or before it."""
    side = session.after or session.before
    return (PurePath(side.model).name if side else "") or "a session"


def basis_text(change: Change, attached: int) -> str:
    """What a change was measured on, and what was assumed."""
    runs = f"{change.runs[0]:,} and {change.runs[1]:,} runs with {attached_text(attached)}"
    captures = f"{change.captures[0]} and {change.captures[1]} captures"
    drift = f"; the runs of a capture drift by {percent(change.drift)}" if change.drift else ""
    if change.spread_is_assumed:
        known = "one capture of each, so how much processes differ by themselves is assumed"
        return f"{runs}{drift}; {known}: {percent(change.process_spread)}"
    spread = f"processes that do the same differ by {percent(change.process_spread)}"
    return f"{runs}, of {captures}{drift}; {spread}"


def part_text(part: Part, account: Account) -> str:
    """`GPU idle: host in a wait`, `node conv1 on the GPU`."""
    name = account.name_of(part)
    if part.kind is PartKind.DEVICE:
        return f"GPU: {name or 'work of no node'}"
    if part.kind is PartKind.NODE:
        return f"node {name}" if part.pair != NONE else "nodes of other sessions"
    if part.kind is PartKind.PHASE and part.phase is not None:
        return "onnxruntime between nodes" if part.phase is Phase.EXECUTE else PHASE_LABELS[part.phase]
    if part.cause is not None:
        return f"GPU idle: {CAUSE_LABELS[part.cause]}"
    return _PART_LABELS[part.kind]


_PART_LABELS: Mapping[PartKind, str] = {
    PartKind.OVERLAP: "GPU work beside other GPU work, counted twice above",
    PartKind.RUN: "the run",
    PartKind.BETWEEN_RUNS: "between runs",
}


def account_lines(account: Account, most: int) -> Sequence[Line]:
    """The parts that differ most, the others together, and what no part accounts for. They sum to the difference that
    was judged, exactly."""
    least_ns = _SMALL_PART * max(abs(account.stated_ns), abs(account.more_ns))
    large = [part for part in account.parts if abs(part.more_ns) > least_ns][:most]
    return tuple(_lines(account, large))


def _lines(account: Account, large: Sequence[PartChange]) -> Iterator[Line]:
    for each in large:
        yield Line(part_text(each.part, account), each.before_ns, each.after_ns, each.more_ns, each.part)
    rest = account.parts[len(large) :]
    if rest:
        name = f"{len(rest)} other part{'s' if len(rest) > 1 else ''}"
        yield Line(name, *(sum(getattr(each, of) for each in rest) for of in ("before_ns", "after_ns", "more_ns")))
    if account.beside_ns:
        yield Line(
            "unexplained: the runs that were judged, with less attached, differ so much more",
            None,
            None,
            account.beside_ns,
        )


def account_basis(account: Account) -> str:
    """Which runs tell of the parts."""
    return f"by the mean of {account.runs[0]:,} and {account.runs[1]:,} runs with {attached_text(account.attached)}"


def node_name(pair: NodePair) -> str:
    """Both names where they differ."""
    before, after = (" + ".join(node.name for node in side) for side in (pair.before, pair.after))
    if not before or not after or before == after:
        return after or before
    return f"{before} → {after}"


def node_note(pair: NodePair) -> str:
    """How it was found again, and where it moved."""
    providers = [sorted({node.provider for node in side}) for side in (pair.before, pair.after)]
    moved = (
        f"{', '.join(providers[0])} → {', '.join(providers[1])}"
        if all(providers) and providers[0] != providers[1]
        else ""
    )
    return "; ".join(filter(None, (NODE_MATCH_LABELS[pair.match], moved)))


def surrounding_text(difference: Difference) -> str:
    """`onnxruntime: 1.20.0 → 1.23.0`."""
    return f"{difference.name}: {', '.join(difference.before)} → {', '.join(difference.after)}"


def work_lines(comparison: Comparison, most: int) -> Iterator[str]:
    """Idle time, waits and kernels that differ most, a line each; nothing of what does not differ."""
    idle = [(CAUSE_LABELS[each.cause], each.after_ns - each.before_ns) for each in comparison.idle]
    if told := _told(idle, most):
        yield f"GPU idle a run: {told}"
    waits = [
        (f"{WAIT_ROLE_LABELS[each.role]} ({each.waiter.value})", each.after_stall_ns - each.before_stall_ns)
        for each in comparison.waits
        if each.after_stall_ns is not None and each.before_stall_ns is not None
    ]
    if told := _told(waits, most):
        yield f"stalled in waits a run: {told}"
    kernels = [(each.name, each.after_ns - each.before_ns) for each in comparison.kernels]
    if told := _told([(_shortened(name), ns) for name, ns in kernels], most):
        yield f"kernels a run: {told}"
    if comparison.re_inits[0] != comparison.re_inits[1]:
        yield f"re-initialisations: {comparison.re_inits[0]:g} → {comparison.re_inits[1]:g}"


_LONGEST = 60


def _shortened(name: str) -> str:
    """Kernels of one library begin alike and end alike."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}…{name[-_LONGEST // 2 :]}"


def _told(differences: Sequence[tuple[str, float]], most: int) -> str:
    largest = sorted(differences, key=lambda each: -abs(each[1]))[:most]
    return ", ".join(f"{name} {signed_ns(round(ns))}" for name, ns in largest if round(ns))
