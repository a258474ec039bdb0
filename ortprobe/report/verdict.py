"""The verdict: one sentence that a person can act on, and that claims no more than the capture holds."""

from __future__ import annotations

from ortprobe.analysis.trust.claims import Claim
from ortprobe.names import printable
from ortprobe.report.sayable import doubt
from ortprobe.rules import Finding, Judgement, NotApplicable, RuleFailed, Severity
from ortprobe.units import format_ns, format_ratio


def verdict(judgement: Judgement) -> str:
    """The gravest and dearest cause with its figures; else what was checked; else why there is no verdict.

    One line, fit for a terminal: the names in it are from traces.
    """
    return printable(_sentence(judgement))


def _sentence(judgement: Judgement) -> str:
    undermining = judgement.analyses.integrity.undermining
    if undermining:
        return f"no verdict: {undermining[0].detail}{_more(len(undermining) - 1, 'problem')}"
    grave = [finding for finding in judgement.findings if finding.severity is not Severity.INFO]
    if grave:
        return f"{_without_stop(grave[0])} ({grave[0].code}){_more(len(grave) - 1, 'finding')}"
    return f"{_ending(judgement)}{_healthy(judgement)}"


def _ending(judgement: Judgement) -> str:
    """How the program ended, when that was not well: then all that was seen is what came before it."""
    capture = judgement.analyses.timeline.capture
    if not capture.ended:
        return "the program ended at once (killed, crashed, or by os._exit); before that, "
    if not capture.exit_code:
        return ""
    why = f" ({capture.exception})" if capture.exception else ""
    return f"the program ended with exit code {capture.exit_code}{why}; before that, "


def _healthy(judgement: Judgement) -> str:
    outcomes = [judged.outcome for judged in judgement.judged]
    checked = judgement.could_judge
    if not checked:
        return "no verdict: the capture holds none of the evidence that the rules need"
    blind = sum(isinstance(outcome, NotApplicable) and outcome.evidence_missing for outcome in outcomes)
    broken = sum(isinstance(outcome, RuleFailed) for outcome in outcomes)
    doubts = [
        f"{blind} could not, for lack of evidence" if blind else "",
        f"{broken} broke" if broken else "",
    ]
    rest = "".join(f"; {doubt}" for doubt in doubts if doubt)
    return f"nothing wrong found by the {checked} rules that could judge, in {_measured(judgement)}{rest}"


def _measured(judgement: Judgement) -> str:
    analyses = judgement.analyses
    runs = len(analyses.timeline.runs)
    parts = [f"{runs} run" if runs == 1 else f"{runs:,} runs"]
    capture = analyses.timeline.capture
    if capture.counted_runs:
        parts.append(f"{capture.counted_runs:,} more that were only counted")
    if of_children := sum(child.runs for child in capture.children):
        parts.append(f"and {of_children:,} in child processes that are not looked at here")
    if analyses.runs.median_ns is not None and not doubt(analyses, Claim.LATENCY):
        parts.append(f"median {format_ns(analyses.runs.median_ns)}")
    devices = analyses.idle.devices if not doubt(analyses, Claim.IDLE) else ()
    parts += [
        f"GPU {device.device} busy {format_ratio(device.busy_ns, device.window_ns)} of the time" for device in devices
    ]
    return ", ".join(parts)


def _without_stop(finding: Finding) -> str:
    return finding.title.rstrip(".")


def _more(count: int, noun: str) -> str:
    if count <= 0:
        return ""
    return f", and {count} more {noun}" if count == 1 else f", and {count} more {noun}s"
