"""The list of rules and their documentation: as text, Markdown and JSON."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from ortprobe.report.fix_passages import passages
from ortprobe.report.rule_pages import explained_json, explained_markdown, rules_json, rules_markdown, threshold_text
from ortprobe.report.text.rule_pages import print_explained, print_rules
from ortprobe.rules import HEADINGS, RULES, Rule, Threshold, find_rule

EACH_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def explained(*rules: Rule, width: int = 100, **options: object) -> str:
    out = io.StringIO()
    print_explained(rules, Console(file=out, width=width, **options))
    return out.getvalue()


def listed(width: int = 100) -> str:
    out = io.StringIO()
    print_rules(RULES, Console(file=out, width=width))
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


@EACH_RULE
def test_a_rule_is_explained_with_all_that_is_known_of_it(rule: Rule):
    text = words(explained(rule, width=100))
    documentation = rule.documentation
    assert text.startswith(f"{rule.code} {rule.severity.value} {rule.name}, {rule.family}")
    for heading, field in HEADINGS.items():
        assert words(f"{heading} {getattr(documentation, field)}") in text
    assert words(rule.fix) in text
    for threshold in rule.thresholds:
        assert words(threshold.reason) in text


@EACH_RULE
def test_nothing_is_wider_than_the_terminal(rule: Rule):
    assert max(map(len, explained(rule, width=60).splitlines())) <= 60


def test_what_comes_in_and_goes_is_coloured_where_colour_is_wanted(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = explained(find_rule("S1"), force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[32m +\+ session = onnxruntime", coloured)
    assert re.search(r"\x1b\[31m +- session = onnxruntime", coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = explained(find_rule("S1"), force_terminal=True, color_system="standard")
    assert "\x1b[3" not in plain
    assert "    + session = onnxruntime" in plain


def test_several_rules_are_explained_in_the_order_asked_for():
    text = explained(find_rule("I1"), find_rule("F1"))
    assert text.index("I1 info") < text.index("F1 info")


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_list_has_each_rule_under_its_family(width: int):
    lines = listed(width).splitlines()
    assert max(map(len, lines)) <= width
    family = ""
    seen = []
    for line in lines:
        if line and not line.startswith((" ", "ortprobe explain")) and width >= 80:
            family = line
        if match := re.match(r" +([A-Z]\d+) +(error|warning|info) ", line):
            seen.append((match[1], match[2], family))
    assert [code for code, _, _ in seen] == [rule.code for rule in RULES]
    assert [severity for _, severity, _ in seen] == [rule.severity.value for rule in RULES]
    if width >= 80:
        assert [family for _, _, family in seen] == [rule.family for rule in RULES]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_markdown_table_has_a_row_for_each_rule_and_a_family_once():
    head, rule_line, *rows = rules_markdown(RULES).splitlines()
    assert cells(head) == ["", "code", "name", "severity", "what it finds"]
    assert set(rule_line) == {"|", "-"}
    assert [cells(row)[1:4] for row in rows] == [
        [rule.code, rule.name.replace("_", " "), rule.severity.value] for rule in RULES
    ]
    families = [cells(row)[0] for row in rows if cells(row)[0]]
    assert families == list(dict.fromkeys(rule.family for rule in RULES))


@EACH_RULE
def test_the_markdown_page_has_a_heading_for_each_section_and_closed_fences(rule: Rule):
    page = explained_markdown([rule])
    assert re.findall(r"^### (.+)$", page, re.MULTILINE) == list(HEADINGS)
    fences = re.findall(r"^```(\w*)$", page, re.MULTILINE)
    assert fences[1::2] == [""] * (len(fences) // 2)
    assert set(fences[::2]) <= {"diff", "python"}
    assert len(fences) == 2 * sum(passage.is_code for passage in passages(rule.fix))
    outside = re.sub(r"```.*?```|`[^`]*`", "", page, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[<>\[\]_~|]", outside), "nothing but code is left to be taken for markup"


def test_json_lists_what_the_registry_has():
    document = json.loads(rules_json(RULES))
    assert document["schema_version"] == 1
    assert [tuple(each.values()) for each in document["rules"]] == [
        (rule.code, rule.name, rule.family, rule.severity.value, rule.documentation.summary) for rule in RULES
    ]


def test_json_explains_with_sections_fix_and_thresholds():
    (document,) = json.loads(explained_json([find_rule("F1")]))["rules"]
    assert set(document["documentation"]) == set(HEADINGS.values())
    assert document["fix"] == find_rule("F1").fix
    assert [(each["name"], each["value"]) for each in document["thresholds"]] == [
        (each.name, each.value) for each in find_rule("F1").thresholds
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FIRST_RUN_EXCESS_NS", 5_000_000, "first run excess: 5.00 ms, because."),
        ("GROWTH_BYTES", 1 << 20, "growth: 1.00 MiB, because."),
        ("BETWEEN_RUNS_SHARE", 0.4, "between runs share: 40.0 %, because."),
        ("FIRST_RUN_RATIO", 5.0, "first run ratio: 5, because."),
        ("RUNS_NEEDED", 12_000, "runs needed: 12,000, because."),
    ],
)
def test_a_threshold_is_read_with_its_unit(name: str, value: float, said: str):
    assert threshold_text(Threshold(name=name, value=value, reason="because.")) == said
