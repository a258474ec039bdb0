"""What a rule is: a code that stays, the name of the problem, how to look for it, what to do, and its documentation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.documentation import Documentation, Threshold, parse_documentation, thresholds_of
from ortprobe.rules.finding import Outcome, Severity

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "S": "session",
        "Y": "order",
        "B": "binding",
        "F": "first run",
        "N": "nodes",
        "G": "graphs",
        "I": "idle",
        "C": "concurrency",
        "M": "trust",
    }
)
"""First letter of a code → what its rules are about, in the order of the catalogue."""


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
    fix: str
    """What to change, as in `Finding.fix`."""

    @property
    def family(self) -> str:
        """One of `FAMILIES`."""
        return FAMILIES[self.code[0]]

    @property
    def is_of_program(self) -> bool:
        """Whether it judges the program, and not the capture alone."""
        return not self.code.startswith("M")

    @property
    def documentation(self) -> Documentation:
        """What the rule's module says of it. Raises ValueError where a section is missing."""
        return parse_documentation(sys.modules[self.check.__module__].__doc__ or "")

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The numbers that it decides by; none for a rule that only tells whether something was seen."""
        return thresholds_of(self.code)
