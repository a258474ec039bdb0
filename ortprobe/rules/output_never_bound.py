"""An output of the model was not bound, or two buffers were bound under one name.

What it is
    `bind_output` binds one output by its name. A loop that binds several buffers under the first output's name leaves
    only the last of them bound: ORT never writes to the others.

Why it matters
    The program reads a buffer that nobody wrote: zeros, garbage or the result of an earlier run, without an error.

Evidence
    The hooked binds before each successful `run_with_iobinding`, against the names of the session's outputs. Two binds
    of one name with different buffers, without a run between them, are the fault itself; an output without a bind is
    a hint, because ORT allows leaving outputs out.

Cost
    None in time: the result is wrong.

Fix
    Bind each output under its own name: `for output in session.get_outputs(): binding.bind_output(output.name, ...)`.

When it is wrong
    A program that wants only some of the outputs leaves the others unbound on purpose; then this is information.

Source
    onnxruntime 1.31.1, `IOBinding.bind_output`; a binding holds one value for each name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, hook_rows, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import NONE, Timeline

BINDS = ("bind_output", "bind_ortvalue_output")

_FIX = """\
Bind every output under its own name:
    for output in session.get_outputs():
        binding.bind_output(output.name, ...)"""


@dataclass(slots=True)
class _Binding:
    """What one binding's outputs are bound to, as its calls go by."""

    bound: set[str] = field(default_factory=set)
    """Names of all outputs bound."""
    unused: dict[str, int] = field(default_factory=dict)
    """Output name → hook row of its bind, for those bound since the last run."""
    lost: list[int] = field(default_factory=list)
    """Binds since the last run that another bind of the same name took the place of."""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says which outputs were bound", evidence_missing=True)
    if not len(hook_rows(timeline, "run_with_iobinding")):
        return NotApplicable(why="the program made no run with an IOBinding", evidence_missing=False)
    if unseen := cant_tell(analyses, Claim.CALLS):
        return unseen
    lost, unbound = _walk(timeline)
    if lost:
        return _overwritten(timeline, lost, unbound)
    return _left_out(timeline, unbound) if unbound else Passed()


def _walk(timeline: Timeline) -> tuple[dict[int, None], dict[str, int]]:
    """(rows of binds that were lost when a run used the binding, output never bound → row of the first such run)."""
    hooks, bindings = timeline.hooks, dict[int, _Binding]()
    lost, unbound = dict[int, None](), dict[str, int]()
    for row in hook_rows(timeline, *BINDS, "clear_binding_outputs", "run_with_iobinding").tolist():
        if hooks.binding[row] == NONE or hooks.failed[row]:
            continue
        what = timeline.names[hooks.what[row]]
        binding = bindings.setdefault(int(hooks.binding[row]), _Binding())
        if what in BINDS and hooks.buffer[row] != NONE:
            _bind(timeline, binding, row)
        elif what == "clear_binding_outputs":
            bindings[int(hooks.binding[row])] = _Binding()
        elif what == "run_with_iobinding":
            lost.update(dict.fromkeys(binding.lost))
            binding.lost.clear()
            binding.unused.clear()
            for output in _outputs_of(timeline, row):
                if output not in binding.bound:
                    unbound.setdefault(output, row)
    return lost, unbound


def _bind(timeline: Timeline, binding: _Binding, row: int) -> None:
    hooks = timeline.hooks
    name = timeline.names[hooks.buffer[row]]
    before = binding.unused.get(name)
    if before is not None:
        addresses = {int(hooks.write_address[row]), int(hooks.write_address[before])}
        # Binding again to the same buffer, or to one that ORT allocates (no address), loses nothing.
        if len(addresses) == 2 and not addresses & {0, NONE}:
            binding.lost.append(before)
    binding.bound.add(name)
    binding.unused[name] = row


def _outputs_of(timeline: Timeline, row: int) -> tuple[str, ...]:
    session = int(timeline.hooks.session[row])
    return timeline.sessions[session].outputs if session != NONE else ()


def _overwritten(timeline: Timeline, lost: dict[int, None], unbound: dict[str, int]) -> Finding:
    hooks = timeline.hooks
    names = sorted({timeline.names[hooks.buffer[row]] for row in lost})
    never = f"; {_quoted(unbound)} was never bound" if unbound else ""
    buffers = "1 output buffer is" if len(lost) == 1 else f"{len(lost)} output buffers are"
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title=f"{buffers} never written: several were bound under the name {_quoted(names)}{never}",
        detail="A binding holds one buffer for each output name, the last one bound. The program went on to run with "
        "it, so what it reads from the earlier buffers is not this run's result.",
        count=len(lost),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_hook(timeline, row) for row in lost),
        evidence=cited([int(hooks.span[row]) for row in lost]),
        fix=_FIX,
    )


def _left_out(timeline: Timeline, unbound: dict[str, int]) -> Finding:
    rows = list(unbound.values())
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"The model's output {_quoted(unbound)} was not bound in a run with an IOBinding",
        detail="ORT leaves such an output out without a word. That is fine when nobody reads it.",
        count=len(unbound),
        cost_ns=None,
        confidence=Confidence.LIKELY,
        where=distinct_sites(site_of_hook(timeline, row) for row in rows),
        evidence=cited([int(timeline.hooks.span[row]) for row in rows]),
        fix=_FIX,
    )


def _quoted(names: dict[str, int] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


RULE = Rule(code="B9", name="output_never_bound", severity=Severity.ERROR, check=check, fix=_FIX)
