"""Which findings fail a check, and which are ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ortprobe.errors import UsageError
from ortprobe.rules.engine import Judged
from ortprobe.rules.finding import Finding, NotApplicable, Passed, RuleFailed, Severity
from ortprobe.rules.gate.standing import Standing
from ortprobe.rules.lookup import find_rule

NEVER = "none"
_GRAVITY = (Severity.INFO, Severity.WARNING, Severity.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a check makes of what the rules say."""

    severity: Severity | None
    """Findings of this severity and graver ones fail; None: for their severity none do."""
    codes: frozenset[str] = frozenset()
    """Findings of these rules fail, however mild. Where such a rule lacks its evidence, nobody can tell."""
    ignored: frozenset[str] = frozenset()
    """What these rules say fails nothing."""

    def standing(self, judged: Judged) -> Standing:
        """What the outcome of one rule means for the check."""
        outcome, code = judged.outcome, judged.rule.code
        if isinstance(outcome, Finding):
            if code in self.ignored:
                return Standing.IGNORED
            grave = self.severity is not None and _GRAVITY.index(outcome.severity) >= _GRAVITY.index(self.severity)
            return Standing.FAILED if grave or code in self.codes else Standing.NOTED
        if isinstance(outcome, Passed):
            return Standing.PASSED
        wanted = code in self.codes and code not in self.ignored
        if isinstance(outcome, NotApplicable):
            return Standing.CANT_TELL if wanted and outcome.evidence_missing else Standing.SKIPPED
        assert isinstance(outcome, RuleFailed)
        could_fail = self.severity is not None and code not in self.ignored
        return Standing.CANT_TELL if wanted or could_fail else Standing.SKIPPED


def parse_policy(
    fail_on: Sequence[str], ignore: Sequence[str], *, fail_on_from: str = "fail_on", ignore_from: str = "ignore"
) -> Policy:
    """From words such as `warning`, `Y1`, `missing_wait_before_run`, `none`; a word can hold several with commas.

    Raises:
        UsageError: a word that is neither a severity nor a rule, or `none` beside others; the line begins with where
            the words are from.
    """
    words, severities = list(_split(fail_on)), {severity.value: severity for severity in Severity}
    if NEVER in words and len(words) > 1:
        raise UsageError(f"{fail_on_from} {','.join(words)}: {NEVER} stands alone")
    grave = [severities[word] for word in words if word in severities]
    others = [word for word in words if word not in severities and word != NEVER]
    return Policy(
        severity=min(grave, key=_GRAVITY.index, default=None),
        codes=frozenset(_code(word, fail_on_from, [*severities, NEVER]) for word in others),
        ignored=frozenset(_code(word, ignore_from, []) for word in _split(ignore)),
    )


def _split(words: Iterable[str]) -> Iterable[str]:
    return (part.strip() for word in words for part in word.split(",") if part.strip())


def _code(word: str, given: str, others: Sequence[str]) -> str:
    """The code of the rule with this code or name."""
    try:
        return find_rule(word).code
    except UsageError as error:
        close = get_close_matches(word, others, n=1)
        told = f"{word!r}: did you mean {close[0]}?" if close else str(error)
        raise UsageError(f"{given} {told}") from None
