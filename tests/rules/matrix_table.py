"""What each rule says of its three cases, as a Markdown table:

python tests/rules/matrix_table.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ortprobe.rules import Outcome


def main() -> None:
    """Print the table; exit with 1 when a rule says of a case what it should not."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from matrix import EXPECTED, case, outcome_of

    from ortprobe.rules import RULES

    wrong = 0
    print("| code | name | fault | near miss | can't tell |\n|---|---|---|---|---|")
    for rule in RULES:
        cells = []
        for name, is_expected in EXPECTED.items():
            with TemporaryDirectory() as folder:
                outcome = outcome_of(rule, name, Path(folder))
            wrong += not is_expected(outcome)
            program = case(rule, name).__doc__ or ""
            cells.append(f"{program} → {_told(outcome)}" + ("" if is_expected(outcome) else " **(wrong)**"))
        row = (rule.code, rule.name.replace("_", " "), *(cell.replace("|", r"\|") for cell in cells))
        print(f"| {' | '.join(row)} |")
    sys.exit(bool(wrong))


def _told(outcome: Outcome) -> str:
    from ortprobe.rules import Finding, NotApplicable, Passed

    if isinstance(outcome, Finding):
        return outcome.severity.value
    if isinstance(outcome, NotApplicable):
        said = "can't tell" if outcome.evidence_missing else "not applicable"
        return outcome.why if outcome.why.startswith(said) else f"{said}: {outcome.why}"
    return "passed" if isinstance(outcome, Passed) else outcome.error


if __name__ == "__main__":
    main()
