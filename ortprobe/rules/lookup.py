"""Finding a rule by what somebody calls it."""

from __future__ import annotations

import re
from difflib import get_close_matches

from ortprobe.errors import UsageError
from ortprobe.rules.registry import RULES
from ortprobe.rules.rule import Rule

_NEAREST = 3
_CODE = re.compile(r"(?P<family>[a-z])(?P<number>[0-9]{1,9})")


def find_rule(asked: str) -> Rule:
    """The rule with this code or name, whatever its case, with `-`, `_` or blanks between the words.

    Raises:
        UsageError: there is none; it names those that come nearest.
    """
    found = _called().get(_plain(asked))
    if found is None:
        nearest = ", ".join(f"{rule.code} ({rule.name})" for rule in _nearest(asked))
        told = f"nearest: {nearest}; " if nearest else ""
        raise UsageError(f"{asked!r}: no rule has this code or name; {told}ortprobe rules lists all")
    return found


def _called() -> dict[str, Rule]:
    return {_plain(name): rule for rule in RULES for name in (rule.code, rule.name)}


def _plain(asked: str) -> str:
    return "_".join(asked.casefold().replace("-", " ").replace("_", " ").split())


def _nearest(asked: str) -> tuple[Rule, ...]:
    """To a code: those of its family with the nearest numbers. To a name: those that hold it or are spelled alike."""
    called, plain = _called(), _plain(asked)
    if code := _CODE.fullmatch(plain):
        family = [rule for rule in RULES if rule.code[0].casefold() == code["family"]]
        return tuple(sorted(family, key=lambda rule: abs(int(rule.code[1:]) - int(code["number"])))[:_NEAREST])
    holding = [name for name in called if plain and plain in name]
    spelled = get_close_matches(plain, called, n=_NEAREST)
    return tuple(dict.fromkeys(called[name] for name in [*holding, *spelled]))[:_NEAREST]
