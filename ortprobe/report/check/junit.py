"""A check as JUnit XML: one test case for each rule and each budget.

It is valid by the schema of Apache Ant (`JUnit.xsd`) and by that of Jenkins (`junit-10.xsd`), which is why elements and
attributes are there that say nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

from ortprobe.names import printable
from ortprobe.report.check.subject import Subject
from ortprobe.report.check.wording import headline, limit_name, limit_text, rule_text, summary, where_text
from ortprobe.rules.gate.budget import LimitResult
from ortprobe.rules.gate.check import Check, RuleResult
from ortprobe.rules.gate.standing import Standing

_ELEMENTS = {Standing.FAILED: "failure", Standing.CANT_TELL: "error", Standing.SKIPPED: "skipped"}
"""What stands in a test case that did not pass. Findings that fail nothing pass, with their text as output."""


def render_junit(check: Check, subject: Subject) -> str:
    """The document. Nothing to judge from is an error, never a pass: `verdict` is a test case of its own."""
    cases = [_verdict(check), *map(_rule, check.rules), *(_limit(each, check) for each in check.limits)]
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name="ortprobe",
        package="ortprobe",
        id="0",
        timestamp=_timestamp(check),
        hostname="localhost",
        tests=str(len(cases)),
        failures=str(_count(cases, "failure")),
        errors=str(_count(cases, "error")),
        skipped=str(_count(cases, "skipped")),
        time="0.000",
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="capture", value=printable(subject.source))
    suite.extend(cases)
    noted = [f"{each.judged.rule.code} {rule_text(each)}" for each in check.rules if each.standing in _PASSING_FINDINGS]
    ElementTree.SubElement(suite, "system-out").text = "\n".join([headline(check), summary(check), *noted])
    ElementTree.SubElement(suite, "system-err").text = ""
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


_PASSING_FINDINGS = (Standing.NOTED, Standing.IGNORED)


def _verdict(check: Check) -> ElementTree.Element:
    case = _case("ortprobe", "verdict")
    if check.blind:
        _outcome(case, Standing.CANT_TELL, "no verdict", check.blind, "")
    return case


def _rule(result: RuleResult) -> ElementTree.Element:
    rule, finding = result.judged.rule, result.finding
    case = _case("ortprobe.rules", f"{rule.code} {rule.name}")
    body = ""
    if finding is not None:
        where = [f"at {site}" for site in finding.where]
        body = "\n".join(printable(line) for line in [*where, finding.detail, "", *finding.fix.splitlines()])
    kind = finding.severity.value if finding is not None else result.standing.value
    _outcome(case, result.standing, kind, rule_text(result), body)
    return case


def _limit(result: LimitResult, check: Check) -> ElementTree.Element:
    room = "ortprobe.baseline" if check.is_growth(result) else "ortprobe.budget"
    case = _case(room, result.limit.metric.key)
    lines = [result.limit.metric.meaning, f"set by {printable(result.limit.source)}"]
    if where := where_text(result):
        lines.append(f"at {where}")
    message = f"{limit_name(result, check)}: {limit_text(result)}"
    _outcome(case, result.standing, "budget", message, "\n".join(lines))
    return case


def _case(room: str, name: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", classname=room, name=name, time="0.000")


def _outcome(case: ElementTree.Element, standing: Standing, kind: str, message: str, body: str) -> None:
    if standing not in _ELEMENTS:
        return
    attributes = {"message": printable(message)}
    if standing.fails:
        attributes["type"] = kind
    ElementTree.SubElement(case, _ELEMENTS[standing], attributes).text = body


def _count(cases: list[ElementTree.Element], element: str) -> int:
    return sum(case.find(element) is not None for case in cases)


def _timestamp(check: Check) -> str:
    """When the capture was made, so that the same capture gives the same document."""
    timeline = check.judgement.analyses.timeline
    made_ns = timeline.capture.created_ns or timeline.start_ns
    return datetime.fromtimestamp(max(made_ns, 0) // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
