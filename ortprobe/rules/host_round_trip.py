"""Data goes from the GPU to the host only to go back to the GPU: into `run` and out of it.

What it is
    `session.run(None, {"x": tensor.cpu().numpy()})` copies the tensor to the host, and ORT copies it to the GPU again.
    `torch.from_numpy(outputs[0]).cuda()` does the same the other way.

Why it matters
    Each copy waits for all work before it, goes through pageable memory, and holds the host up.

Evidence
    The hook log knows what memory on the host was filled by a copy of torch's from the GPU, or given by a run, for as
    long as that memory is there; and which of it is fed to a run, or copied to a GPU. What goes through numpy's
    operations on its way is not followed.

Cost
    The time that these copies took on the device, as far as a trace shows them. What the host waits for them comes on
    top.

Fix
    Bind torch's memory to the session with an IOBinding, and wait for the stream that writes it.

When it is wrong
    Data that is wanted on the host as well.

Source
    ONNX Runtime's documentation, "I/O Binding"; issues 19930 and 18475.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.bindings.cuda_sessions import is_on_cuda
from ortprobe.rules.evidence import hook_rows, passed_unless_unseen
from ortprobe.rules.finding import NotApplicable, Outcome, Severity
from ortprobe.rules.host_trips import Wording, trips_finding
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline

_FIX = """\
Bind the tensors themselves:
    - outputs = session.run(None, {"x": x.cpu().numpy()})
    - y = torch.from_numpy(outputs[0]).cuda()
    + binding.bind_input("x", "cuda", 0, np.float32, x.shape, x.data_ptr())
    + binding.bind_output("y", "cuda", 0, np.float32, y.shape, y.data_ptr())
    + torch.cuda.current_stream().synchronize()   # or one stream for both, see `user_compute_stream`
    + session.run_with_iobinding(binding)"""


def check(analyses: Analyses) -> Outcome:
    timeline, found = analyses.timeline, analyses.host_trips
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what was fed to a run", evidence_missing=True)
    trips = tuple(trip for trip in found.trips if trip.into or trip.giver == "run")
    if trips:
        both = any(trip.into for trip in trips) and not all(trip.into for trip in trips)
        words = Wording(
            title="{count} arrays went from the GPU to the host and back, into and out of runs"
            if both
            else "{count} arrays went from the GPU to the host and back on their way "
            + ("into a run" if trips[0].into else "out of a run"),
            severity=Severity.WARNING if both else Severity.INFO,
            fix=_FIX,
        )
        return trips_finding(analyses, RULE, trips, words)
    if not found.feeds and not _runs_on_cuda(timeline):
        return NotApplicable(why="the program fed no array of the host to a session on the GPU", evidence_missing=False)
    if not found.feeds or found.unknown_feeds or found.unknown_copies:
        return NotApplicable(why="where the arrays came from that were fed is not known", evidence_missing=True)
    return passed_unless_unseen(analyses)


def _runs_on_cuda(timeline: Timeline) -> bool:
    """Whether `run` was called of a session on the GPU, with whatever arrays."""
    return any(is_on_cuda(timeline, session) for session in timeline.hooks.session[hook_rows(timeline, "run")].tolist())


RULE = Rule(code="B6", name="host_round_trip", severity=Severity.WARNING, check=check, fix=_FIX)
