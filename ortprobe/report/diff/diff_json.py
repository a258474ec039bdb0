"""A comparison for machines. `null` is what nobody measured; 0 was measured."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ortprobe.analysis.comparison.accounts import Account
from ortprobe.analysis.comparison.bootstrap import Change
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.node_changes import NodeChange
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.verdict import Verdict
from ortprobe.report.diff.diff_verdict import diff_verdict
from ortprobe.rules.finding_changes import FindingChange

SCHEMA_VERSION = 1
_MOST_NODES = 50
_MOST_KERNELS = 50

Document = dict[str, object]


def diff_json(comparison: Comparison, findings: Sequence[FindingChange]) -> bytes:
    """The document as indented UTF-8 JSON with a final newline."""
    document = diff_document(comparison, findings)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def diff_document(comparison: Comparison, findings: Sequence[FindingChange]) -> Document:
    """The document as plain dicts, lists, strings and numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": comparison.verdict.outcome.value,
        "verdict": diff_verdict(comparison),
        **_why(comparison.verdict),
        "gate": {"counts": comparison.gate.counts, "same": comparison.gate.same},
        "captures": _sides((len(comparison.before), len(comparison.after))),
        "main_session": comparison.main,
        "sessions": [_session(each) for each in comparison.sessions],
        "surroundings": [
            {"kind": each.kind.value, "name": each.name, "before": each.before, "after": each.after}
            for each in comparison.surroundings
        ],
        "unsayable": {claim.value: why for claim, why in comparison.unsayable.items()},
        "findings": [_finding(each) for each in findings],
        "idle_by_cause_ns": {each.cause.value: _sides((each.before_ns, each.after_ns)) for each in comparison.idle},
        "waits": [
            {
                "waiter": each.waiter.value,
                "role": each.role.value,
                "count": _sides((each.before_count, each.after_count)),
                "stall_ns": _sides((each.before_stall_ns, each.after_stall_ns)),
            }
            for each in comparison.waits
        ],
        "kernels": [
            {
                "name": each.name,
                "count": _sides((each.before_count, each.after_count)),
                "device_ns": _sides((each.before_ns, each.after_ns)),
            }
            for each in comparison.kernels[:_MOST_KERNELS]
        ],
        "re_inits": _sides(comparison.re_inits),
    }


def _sides(values: tuple[object, object]) -> Document:
    return {"before": values[0], "after": values[1]}


def _why(verdict: Verdict) -> Document:
    return {
        "within": verdict.within,
        "reasons": [reason.value for reason in verdict.reasons],
        "details": verdict.details,
    }


def _session(session: SessionChange) -> Document:
    """`account` and `pace_account` sum to their `stated_ns` with what is `beside_ns`, exactly."""
    matched = session.session
    return {
        "match": matched.match.value,
        "model": _sides((matched.before and matched.before.model, matched.after and matched.after.model)),
        "share": session.share,
        "runs": _sides(session.runs),
        "failed": _sides(session.failed),
        "outcome": session.verdict.outcome.value,
        **_why(session.verdict),
        "by": session.by.value,
        "measures": {
            each.measure.value: {
                "attached": each.attached,
                "outcome": each.verdict.outcome.value,
                **_change(each.change),
            }
            for each in session.measures
        },
        "account": _account(session.account),
        "pace_account": _account(session.pace_account),
        "nodes": [_node(each) for each in session.nodes[:_MOST_NODES]],
    }


def _change(change: Change) -> Document:
    return {
        "before_ns": change.before_ns,
        "after_ns": change.after_ns,
        "factor": change.factor,
        "low": change.low,
        "high": change.high,
        "captures": _sides(change.captures),
        "runs": _sides(change.runs),
        "process_spread": change.process_spread,
        "spread_is_assumed": change.spread_is_assumed,
        "drift": change.drift,
    }


def _account(account: Account | None) -> Document | None:
    if account is None:
        return None
    parts = [
        {
            "kind": each.part.kind.value,
            "cause": each.part.cause.value if each.part.cause else None,
            "phase": each.part.phase.value if each.part.phase else None,
            "node": account.name_of(each.part) or None,
            "before_ns": each.before_ns,
            "after_ns": each.after_ns,
            "more_ns": each.more_ns,
        }
        for each in account.parts
    ]
    return {
        "attached": account.attached,
        "runs": _sides(account.runs),
        "before_ns": account.before_ns,
        "after_ns": account.after_ns,
        "more_ns": account.more_ns,
        "stated_ns": account.stated_ns,
        "beside_ns": account.beside_ns,
        "parts": parts,
    }


def _node(node: NodeChange) -> Document:
    before, after = (
        [{"name": one.name, "op_type": one.op_type, "provider": one.provider} for one in side]
        for side in (node.pair.before, node.pair.after)
    )
    return {
        "match": node.pair.match.value,
        "nodes": _sides((before, after)),
        "device_ns": _sides((node.device_before_ns, node.device_after_ns)),
        "host_ns": _sides((node.host_before_ns, node.host_after_ns)),
        "change": _change(node.change) if node.change else None,
    }


def _finding(change: FindingChange) -> Document:
    return {
        "code": change.code,
        "status": change.status.value,
        "severity": change.shown.severity.value,
        "title": change.shown.title,
        "captures": _sides(change.captures),
        "cost_per_run_ns": _sides(
            (
                change.before.cost_per_run_ns if change.before else None,
                change.after.cost_per_run_ns if change.after else None,
            )
        ),
    }
