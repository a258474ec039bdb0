"""What a rule is: a code that stays, the name of the problem, how to look for it, and its documentation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.finding import Outcome, Severity


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. `check` lies in the rule's module, whose docstring documents it."""

    code: str
    """Stable: people suppress findings by it."""
    name: str
    """The problem, so that "allow <name>" reads well."""
    severity: Severity
    """The gravest that it can find; a finding may be milder."""
    check: Callable[[Analyses], Outcome]

    @property
    def documentation(self) -> str:
        """What it is, why it matters, evidence, cost, fix, when it is wrong, source."""
        return (sys.modules[self.check.__module__].__doc__ or "").strip()

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.documentation.partition("\n")[0]
