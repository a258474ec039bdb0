"""An output was bound to the host, and the program took it to the GPU again.

What it is
    `bind_output(name)` without a device means the CPU: ORT copies the output to the host at the end of each run. The
    program then copies it back to work on it with torch.

Why it matters
    Two copies and a wait a run, for data that was where it was wanted.

Evidence
    The hook log: outputs of sessions on the GPU that are bound to the host, and copies of torch's that take to a GPU
    the very memory that such an output was in.

Cost
    The time that these copies took on the device, as far as a trace shows them.

Fix
    Bind the output to the GPU, best to torch's own memory.

When it is wrong
    The output is wanted on the host as well. One that is used on the host alone is no fault, and not reported.

Source
    onnxruntime 1.31.1, `IOBinding.bind_output`: `device_type="cpu"`; IOBinding.cc.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.bindings.cuda_sessions import cuda_bindings
from ortprobe.rules.evidence import hook_rows, passed_unless_unseen
from ortprobe.rules.finding import NotApplicable, Outcome, Severity
from ortprobe.rules.host_trips import Wording, trips_finding
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Int64s, Timeline

_FIX = """\
Bind the output where it is used:
    - binding.bind_output("y")
    + y = torch.empty(shape, device="cuda")
    + binding.bind_output("y", "cuda", 0, np.float32, y.shape, y.data_ptr())
      session.run_with_iobinding(binding)
    - y = torch.from_numpy(binding.copy_outputs_to_cpu()[0]).cuda()"""


def check(analyses: Analyses) -> Outcome:
    timeline, found = analyses.timeline, analyses.host_trips
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what was bound", evidence_missing=True)
    if not len(_outputs_on_host(timeline)):
        return NotApplicable(why="no output of a session on the GPU was bound to the host", evidence_missing=False)
    trips = tuple(trip for trip in found.trips if not trip.into and trip.giver == "binding")
    if trips:
        title = "{count} outputs were copied to the host, where they were bound, and back to the GPU"
        return trips_finding(analyses, RULE, trips, Wording(title=title, severity=Severity.WARNING, fix=_FIX))
    if found.unknown_copies:
        why = "outputs are bound to the host, and whether it is these that were copied to the GPU is not known"
        return NotApplicable(why=why, evidence_missing=True)
    return passed_unless_unseen(analyses)


def _outputs_on_host(timeline: Timeline) -> Int64s:
    hooks, sessions = timeline.hooks, cuda_bindings(timeline)
    rows = hook_rows(timeline, "bind_output", "bind_ortvalue_output")
    cpu = timeline.names.index("cpu") if "cpu" in timeline.names else None
    chosen = (hooks.device[rows] == cpu) & np.isin(hooks.binding[rows], list(sessions)) & ~hooks.failed[rows]
    return np.asarray(rows[chosen], np.int64)


RULE = Rule(code="B3", name="output_bound_to_host", severity=Severity.WARNING, check=check, fix=_FIX)
