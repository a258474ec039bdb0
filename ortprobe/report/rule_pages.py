"""Rules and their documentation as Markdown and JSON, and what their thresholds are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import msgspec

from ortprobe.report.fix_passages import Passage, passages
from ortprobe.rules import HEADINGS, Rule, Threshold
from ortprobe.units import format_bytes, format_ns, format_ratio

SCHEMA_VERSION = 1
_SPECIAL = re.compile(r"([\\*_\[\]<>#|~])")

Document = dict[str, object]

_UNITS: dict[str, Callable[[float], str]] = {
    "_NS": format_ns,
    "_BYTES": format_bytes,
    "_SHARE": lambda share: format_ratio(share, 1),
}


def threshold_text(threshold: Threshold) -> str:
    """`first run excess: 5.00 ms, …`: its name, its value with the unit, and the reason for it."""
    name, value = _read(threshold)
    return f"{name}: {value}, {threshold.reason}"


def _read(threshold: Threshold) -> tuple[str, str]:
    unit = next((unit for unit in _UNITS if threshold.name.endswith(unit)), "")
    plain = f"{threshold.value:,}" if isinstance(threshold.value, int) else f"{threshold.value:g}"
    value = _UNITS[unit](threshold.value) if unit else plain
    words = threshold.name.removesuffix(unit) if unit != "_SHARE" else threshold.name
    return words.replace("_", " ").lower(), value


def rules_json(rules: Sequence[Rule]) -> str:
    """`{"schema_version": 1, "rules": [{"code", "name", "family", "severity", "summary"}]}`."""
    return _json([_listed(rule) for rule in rules])


def explained_json(rules: Sequence[Rule]) -> str:
    """As `rules_json`, and for each rule `documentation` with its sections, `fix` with the code, and `thresholds`."""
    documents = [
        _listed(rule)
        | {
            "documentation": {field: getattr(rule.documentation, field) for field in HEADINGS.values()},
            "fix": rule.fix,
            "thresholds": [asdict(threshold) for threshold in rule.thresholds],
        }
        for rule in rules
    ]
    return _json(documents)


def _listed(rule: Rule) -> Document:
    summary = rule.documentation.summary
    return {
        "code": rule.code, "name": rule.name, "family": rule.family, "severity": rule.severity.value,
        "summary": summary,
    }  # fmt: skip


def _json(rules: Sequence[Document]) -> str:
    document = {"schema_version": SCHEMA_VERSION, "rules": rules}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def rules_markdown(rules: Sequence[Rule]) -> str:
    """One table of all rules, each family named in front of its first."""
    lines, family = ["| | code | name | severity | what it finds |", "|---|---|---|---|---|"], ""
    for rule in rules:
        head = "" if rule.family == family else rule.family
        family = rule.family
        summary = _prose(rule.documentation.summary)
        lines.append(f"| {head} | {rule.code} | {_named(rule)} | {rule.severity.value} | {summary} |")
    return "\n".join(lines) + "\n"


def explained_markdown(rules: Sequence[Rule]) -> str:
    """A page of documentation: a heading for each rule, and one for each of its sections."""
    return "\n\n".join(part for rule in rules for part in _page(rule)) + "\n"


def _page(rule: Rule) -> Iterator[str]:
    documentation = rule.documentation
    yield f"## {rule.code}: {_named(rule)}"
    yield f"{rule.family}, {rule.severity.value}"
    yield f"**{_prose(documentation.summary)}**"
    for heading, field in HEADINGS.items():
        yield f"### {heading}"
        yield _prose(getattr(documentation, field))
        if field == "fix":
            yield from (_passage(passage) for passage in passages(rule.fix))
        if field == "evidence" and rule.thresholds:
            yield "\n".join(f"* {_prose(threshold_text(threshold))}" for threshold in rule.thresholds)


def _passage(passage: Passage) -> str:
    if passage.diff:
        changed = "\n".join(f"{line.sign} {line.text}".rstrip() for line in passage.diff)
        return f"```diff\n{changed}\n```"
    return f"```python\n{passage.text}\n```" if passage.is_code else _prose(passage.text)


def _named(rule: Rule) -> str:
    return rule.name.replace("_", " ")


def _prose(text: str) -> str:
    """Prose of the documentation, in which code stands between backticks: Markdown takes nothing else for markup."""
    parts = text.split("`")
    return "`".join(part if number % 2 else _SPECIAL.sub(r"\\\1", part) for number, part in enumerate(parts))
