"""An option was given under a key that ONNX Runtime does not look at.

What it is
    `add_session_config_entry` and `add_run_config_entry` take any key. So does the CPU's provider any option. A key
    that is misspelt, or given to the wrong object, is stored and nobody reads it.

Why it matters
    The program goes on with the default, and nothing says so: threads spin, runs wait at their end, graphs are not
    captured.

Evidence
    The hook log has each key that the program gave. It is compared with the keys that ORT looks for: those of its
    headers, and those in the wheel of onnxruntime 1.32. That two keys mean the same is inferred from their letters.

Cost
    What the option would have saved, which nobody knows.

Fix
    Spell the key as the header has it, and give it to the object that it belongs to.

When it is wrong
    A key of a later ONNX Runtime, of an execution provider or of a library of operators that resembles one of ORT's.

Source
    onnxruntime_session_options_config_keys.h, onnxruntime_run_options_config_keys.h; tried with onnxruntime 1.31.1 and
    1.32.0: unknown keys, and any option of the CPU's provider, are accepted. An unknown option of CUDA's is refused.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.config_entries import Ignored, IgnoredOption
from ortprobe.rules.evidence import cited, creation_spans, distinct_sites, passed_unless_unseen, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import NONE, Site, Timeline

_FIX = """\
Spell the key as ONNX Runtime's headers do, and give it to the object it belongs to:
    - options.add_session_config_entry("session.intra_op.allow_spining", "0")
    + options.add_session_config_entry("session.intra_op.allow_spinning", "0")"""


def check(analyses: Analyses) -> Outcome:
    entries = analyses.config_entries
    if entries.ignored:
        return _finding(analyses.timeline, entries.ignored)
    if not entries.watched:
        return NotApplicable(why="the capture does not say which entries the program gave", evidence_missing=True)
    if not entries.given:
        return NotApplicable(why="the program gave no configuration entries", evidence_missing=False)
    return passed_unless_unseen(analyses)


def _finding(timeline: Timeline, ignored: tuple[IgnoredOption, ...]) -> Finding:
    is_sure = all(one.why is Ignored.MISPLACED for one in ignored)
    is_grave = any(one.why is not Ignored.UNKNOWN for one in ignored)
    many = "1 option has" if len(ignored) == 1 else f"{len(ignored)} options have"
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if is_grave else Severity.INFO,
        title=f"{many} no effect: {'; '.join(_told(one) for one in ignored)}",
        detail="ONNX Runtime takes any key and says nothing about those that it never looks for.",
        count=len(ignored),
        cost_ns=None,
        confidence=Confidence.CERTAIN if is_sure else Confidence.LIKELY,
        where=distinct_sites(_site(timeline, one) for one in ignored),
        evidence=cited([span for one in ignored for span in _spans(timeline, one)]),
        fix=_FIX,
    )


def _told(one: IgnoredOption) -> str:
    if one.why is Ignored.MISSPELT:
        return f"`{one.key}` is no key, but `{one.meant}` is"
    if one.why is Ignored.MISPLACED and one.session != NONE:
        return f"`{one.key}` was given to the CPU's provider, and belongs to {one.meant}"
    if one.why is Ignored.MISPLACED:
        return f"`{one.key}` belongs into {one.meant}"
    return f"`{one.key}` is no key that is known"


def _site(timeline: Timeline, one: IgnoredOption) -> Site | None:
    return timeline.sessions[one.session].site if one.row == NONE else site_of_hook(timeline, one.row)


def _spans(timeline: Timeline, one: IgnoredOption) -> list[int]:
    if one.row != NONE:
        return [int(timeline.hooks.span[one.row])]
    return creation_spans(timeline, timeline.sessions[one.session])


RULE = Rule(code="Y8", name="ignored_option", severity=Severity.WARNING, check=check, fix=_FIX)
