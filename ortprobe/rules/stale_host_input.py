"""An array of the host was changed after it had been bound, and the runs went on with what it held before.

What it is
    `bind_cpu_input` copies the array to the GPU when it is called. What the program writes into the array later is not
    copied again by a run.

Why it matters
    The runs compute the first input's answer over and over, without an error.

Evidence
    Checksums of the bound arrays, taken at the bind and after each run in a window: an array is not what it was, and
    the same bind served a run before. Of arrays above 16 KiB a sample is compared, so of those a change is certain, and
    that there was none is not.

Cost
    None in time; the results are of another input.

Fix
    Bind again after each change, or keep an OrtValue on the GPU and `update_inplace` it.

When it is wrong
    A program that fills the array for later while it means to run on the former content again; a session whose nodes on
    the CPU are all that reads this input.

Source
    IOBinding.cc `BindInput`; issues 15438 and 11133: "later changes are not seen".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.bindings.cuda_sessions import cuda_bindings
from ortprobe.analysis.nodes.placement import cpu_nodes
from ortprobe.rules.evidence import cited, distinct_sites, hook_rows, passed_unless_unseen, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import NONE, Timeline

_COMPARED = ("input.changed", "input.same", "input.sample_same")
_OTHER_BINDS = ("bind_input", "bind_ortvalue_input")

_FIX = """\
Bind the array again after each change:
      array[:] = batch
    + binding.bind_cpu_input("x", array)
      session.run_with_iobinding(binding)
or keep a value on the GPU, and change that:
    value = onnxruntime.OrtValue.ortvalue_from_numpy(array, "cuda", 0)
    binding.bind_ortvalue_input("x", value)
    value.update_inplace(batch)"""


@dataclass(slots=True)
class _Bind:
    """One `bind_cpu_input`, and the runs that it served."""

    row: int
    runs: int = 0
    changed: list[int] = field(default_factory=list)
    """Rows that say that the array was another at a run, the first run aside."""
    compared: int = 0
    as_a_whole: int = 0


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what was bound", evidence_missing=True)
    binds = _binds(timeline, cuda_bindings(timeline))
    if not binds:
        why = "the program bound no array of the host to a session on the GPU"
        return NotApplicable(why=why, evidence_missing=False)
    stale = [bind for bind in binds if bind.changed]
    if stale:
        return _finding(timeline, stale)
    reused = [bind for bind in binds if bind.runs > 1]
    if any(bind.compared < bind.runs for bind in reused):
        why = "the arrays that are bound once for several runs were not compared at each of them"
        return NotApplicable(why=why, evidence_missing=True)
    if any(bind.as_a_whole < bind.runs for bind in reused):
        why = "of the arrays that are bound once for several runs a sample was compared, and had not changed"
        return NotApplicable(why=why, evidence_missing=True)
    return passed_unless_unseen(analyses)


def _binds(timeline: Timeline, sessions: dict[int, int]) -> list[_Bind]:
    """Every bind of an array to a session on CUDA, with what was seen at the runs of its binding until the next."""
    hooks, names = timeline.hooks, timeline.names
    found, current = list[_Bind](), dict[tuple[int, int], _Bind]()
    calls = ("bind_cpu_input", *_OTHER_BINDS, "clear_binding_inputs", "run_with_iobinding", *_COMPARED)
    for row in hook_rows(timeline, *calls).tolist():
        what, binding, buffer = names[hooks.what[row]], int(hooks.binding[row]), int(hooks.buffer[row])
        if binding not in sessions or hooks.failed[row]:
            continue
        mine = [key for key in current if key[0] == binding]
        if what == "bind_cpu_input" and buffer != NONE:
            found.append(_Bind(row=row))
            current[binding, buffer] = found[-1]
        elif what in _OTHER_BINDS:
            current.pop((binding, buffer), None)
        elif what == "clear_binding_inputs":
            for key in mine:
                del current[key]
        elif what == "run_with_iobinding":
            for key in mine:
                current[key].runs += 1
        elif (bind := current.get((binding, buffer))) is not None:
            _note(bind, row, what)
    return found


def _note(bind: _Bind, row: int, what: str) -> None:
    bind.compared += 1
    bind.as_a_whole += what != "input.sample_same"
    if what == "input.changed" and bind.runs > 1:
        bind.changed.append(row)


def _finding(timeline: Timeline, stale: list[_Bind]) -> Finding:
    hooks = timeline.hooks
    rows = [row for bind in stale for row in bind.changed]
    named = ", ".join(dict.fromkeys(f"`{timeline.names[hooks.buffer[bind.row]]}`" for bind in stale))
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title=f"{runs} read {named} as it was when it was bound: the array has been changed since",
        detail="`bind_cpu_input` copied the array to the GPU, and the same bind served an earlier run. The checksum at "
        "these runs is another than at the bind.",
        count=len(rows),
        cost_ns=None,
        confidence=Confidence.CERTAIN if not _has_cpu_nodes(timeline, stale) else Confidence.LIKELY,
        where=distinct_sites(site_of_hook(timeline, row) for row in [*(bind.row for bind in stale), *rows]),
        evidence=cited([int(hooks.span[row]) for row in [*(bind.row for bind in stale), *rows]]),
        fix=_FIX,
    )


def _has_cpu_nodes(timeline: Timeline, stale: list[_Bind]) -> bool:
    """Whether a node on the CPU may be what reads the input; also where no profile says."""
    sessions = cuda_bindings(timeline)
    mine = {sessions[int(timeline.hooks.binding[bind.row])] for bind in stale}
    of_nodes = timeline.nodes.session
    return any(not (of_nodes == one).any() or (cpu_nodes(timeline) & (of_nodes == one)).any() for one in mine)


RULE = Rule(code="B2", name="stale_host_input", severity=Severity.ERROR, check=check, fix=_FIX)
