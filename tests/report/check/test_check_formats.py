"""A check in each of its formats: valid by the official schemas, true to the check, and safe with any name."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from captures import DATA
from checks import CHECKS, HOSTILE, ROOT, SUBJECT, blind, failing, hostile, passing, racing, unhooked
from markdown_it import MarkdownIt
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.check.formats import FORMATS, render
from ortprobe.report.check.sarif.messages import message
from ortprobe.report.check.subject import Subject
from ortprobe.rules import RULES, judge
from ortprobe.rules.gate.check import Check, check
from ortprobe.rules.gate.policy import parse_policy
from ortprobe.rules.gate.standing import Standing

SCHEMAS = DATA / "schemas"


@cache
def sarif_schema() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text()))


@cache
def junit_schemas() -> tuple[xmlschema.XMLSchema, ...]:
    return tuple(xmlschema.XMLSchema(SCHEMAS / name) for name in ("JUnit.xsd", "junit-10.xsd"))


def sarif(check: Check, subject: Subject = SUBJECT) -> dict:
    """The one run of the document, which is valid."""
    document = json.loads(render(check, subject, "sarif"))
    sarif_schema().validate(document)
    (run,) = document["runs"]
    return run


def junit(check: Check) -> ElementTree.Element:
    """The one suite of the document, which is valid by both schemas."""
    text = render(check, SUBJECT, "junit").decode()
    for schema in junit_schemas():
        schema.validate(text)
    (suite,) = ElementTree.fromstring(text)
    return suite


@pytest.mark.parametrize("name", CHECKS)
def test_sarif_and_junit_are_valid_by_their_schemas(name):
    assert sarif(CHECKS[name]())["tool"]["driver"]["name"] == "ortprobe"
    assert junit(CHECKS[name]()).get("name") == "ortprobe"


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_check_gives_the_same_bytes(name, form):
    assert render(CHECKS[name](), SUBJECT, form) == render(CHECKS[name](), SUBJECT, form)


def test_each_finding_is_a_result_at_its_line():
    results = {result["ruleId"]: result for result in sarif(failing())["results"]}
    physical = results["S1"]["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "ortprobe/examples/set_providers.py", "uriBaseId": "SRCROOT"}
    assert physical["region"] == {"startLine": 51}
    assert results["S1"]["level"] == "warning"
    assert results["F1"]["level"] == "note"
    assert results["S1"]["message"]["text"].startswith("The session was built again once by set_providers")


def test_what_is_ignored_is_suppressed_and_nothing_else():
    suppressed = [result["ruleId"] for result in sarif(failing())["results"] if "suppressions" in result]
    assert suppressed == ["S1"]


def test_limits_that_are_exceeded_fail_and_those_nobody_can_tell_are_open():
    kinds = {result["ruleId"]: result.get("kind", "fail") for result in sarif(failing())["results"]}
    assert kinds["budget/re_inits"] == kinds["baseline/re_inits"] == "fail"
    assert kinds["budget/p99"] == kinds["B4"] == "open"
    assert "budget/races" not in kinds, "kept to"


def test_each_result_points_to_its_rule_and_each_rule_is_explained():
    run = sarif(failing())
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules[: len(RULES)]] == [rule.code for rule in RULES]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    help_of = {rule["id"]: rule["help"] for rule in rules}
    assert "When it is wrong" in help_of["S1"]["text"]
    assert "+ session = onnxruntime.InferenceSession(" in help_of["S1"]["markdown"]


def test_both_lines_of_a_race_are_told():
    result = next(result for result in sarif(racing())["results"] if result["ruleId"] == "Y1")
    others = [place["physicalLocation"]["region"]["startLine"] for place in result["relatedLocations"]]
    lines = [result["locations"][0]["physicalLocation"]["region"]["startLine"], *others]
    assert lines == [48, 47]
    assert result["level"] == "error"


def test_a_healthy_program_has_no_result_that_fails():
    assert all(result["level"] == "note" for result in sarif(passing())["results"])


def test_a_capture_without_verdict_is_no_success():
    (invocation,) = sarif(blind())["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["level"] == "error"
    suite = junit(blind())
    verdict = suite.find("testcase[@name='verdict']/error")
    assert verdict is not None
    assert int(suite.get("errors")) >= 1


def prints(check: Check, subject: Subject = SUBJECT) -> list[str]:
    return [next(iter(result["partialFingerprints"].values())) for result in sarif(check, subject)["results"]]


def test_fingerprints_tell_results_apart():
    found = prints(failing())
    assert len(set(found)) == len(found)


def re_initialised(folder: Path, root: str, line: int, dur_us: int) -> list[str]:
    """Fingerprints of a program in this folder that calls `set_providers` at this line, for this long."""
    site = f"{root}app.py:{line}"
    scene = Scene().session(0, 0, 100, site=site)
    scene.hook("set_providers", 9_990, dur_us + 20, session=1, site=site)
    scene.session(1, 10_000, dur_us, reason="set_providers", replaces=0, site=site)
    for session, start in ((0, 1000), (1, 20_000)):
        for number in range(3):
            scene.hook("run", start + 1000 * number, 100, session=session, site=site)
    done = check(judge(Analyses(scene.load(folder))), parse_policy(["warning"], []))
    return prints(done, Subject(source="x.ortprobe", root=Path(root or "/anywhere")))


@pytest.mark.parametrize(("root", "moved"), [("/home/a/src/", "/ci/build/"), ("", "")])
def test_fingerprints_stay_when_figures_lines_and_folders_change(tmp_path, root, moved):
    before, after = re_initialised(tmp_path / "a", root, 12, 300), re_initialised(tmp_path / "b", moved, 40, 900)
    assert before == after != []


def test_there_is_a_test_case_for_each_rule_and_each_limit():
    suite, done = junit(failing()), failing()
    cases = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
    assert len(set(cases)) == len(cases) == int(suite.get("tests")) == 1 + len(RULES) + len(done.limits)
    of_kind = Counter(child.tag for case in suite.iter("testcase") for child in case)
    for kind in ("failure", "error", "skipped"):
        assert of_kind[kind] == int(suite.get({"failure": "failures", "error": "errors"}.get(kind, kind)))
    standings = Counter(each.standing for each in (*done.rules, *done.limits))
    assert of_kind["failure"] == standings[Standing.FAILED] > 0
    assert of_kind["error"] == standings[Standing.CANT_TELL] > 0


def test_a_rule_that_lacks_its_evidence_is_skipped_with_the_reason():
    skipped = junit(unhooked()).find("testcase[@name='S2 stale_binding']/skipped")
    assert skipped is not None
    assert "hook log" in skipped.get("message")


def test_the_failure_holds_the_lines_and_the_fix():
    failure = junit(racing()).find("testcase[@name='Y1 missing_wait_before_run']/failure")
    assert failure.get("type") == "error"
    assert "at ortprobe/examples/missing_wait.py:48" in failure.text
    assert "synchronize()" in failure.text


def test_the_document_for_machines():
    document = json.loads(render(failing(), SUBJECT, "json"))
    assert (document["schema_version"], document["standing"]) == (1, "failed")
    rules = {rule["code"]: rule for rule in document["rules"]}
    assert (rules["S1"]["standing"], rules["S1"]["where"][0]["line"]) == ("ignored", 51)
    budgets = {budget["key"]: budget for budget in document["budgets"]}
    assert (budgets["re_inits"]["low"], budgets["re_inits"]["high"], budgets["re_inits"]["most"]) == (1, 1, 0)
    assert budgets["p99"]["standing"] == "can't tell"
    assert budgets["p99"]["why"]
    assert document["no_verdict"] is None
    assert json.loads(render(blind(), SUBJECT, "json"))["no_verdict"]


def test_the_text_says_what_fails_first_and_names_value_limit_and_line():
    lines = render(failing(), SUBJECT, "text").decode().splitlines()
    assert lines[0].startswith("out/trace.ortprobe: failed: 1 finding, 1 budget, ")
    at = lines.index("failed      re_inits: 1, limit 0")
    assert lines[at + 1 : at + 3] == [
        "              set by budget.toml",
        "              at ortprobe/examples/set_providers.py:51",
    ]
    (untold,) = (line for line in lines if line.startswith("can't tell  p99"))
    assert "because it takes 100 steady runs" in untold
    assert render(passing(), SUBJECT, "text").decode().startswith("out/trace.ortprobe: passed, 1 budget kept")


def test_a_comment_begins_with_the_outcome_and_folds_the_rest():
    text = render(failing(), SUBJECT, "markdown").decode()
    assert text.startswith("### ❌ ortprobe: failed: 1 finding, 1 budget")
    assert text.count("<details>") == text.count("</details>") == 4
    before = text.partition("<details>")[0]
    assert "| failed | re\\_inits | 1, limit 0 | ortprobe/examples/set\\_providers.py:51 |" in before
    assert "S1" not in before.split("\n\n", 2)[2], "what is ignored is folded away"
    assert render(passing(), SUBJECT, "markdown").decode().startswith("### ✅ ortprobe: passed")
    assert render(blind(), SUBJECT, "markdown").decode().startswith("### ❓ ortprobe: no verdict")


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_names_stay_names(tmp_path, form):
    done = hostile(tmp_path)
    text = render(done, SUBJECT, form).decode()
    assert not {"\x1b", "\x00"} & set(text)
    assert form == "json" or "\u202e" not in text, "JSON is read by machines"
    if form == "markdown":
        page = MarkdownIt("commonmark").enable("table").render(text)
        assert not re.search("<(script|a|img|h1)[ >]", page)
        assert page.count("<h3>") == 1
        assert "&lt;script&gt;" in page
    if form == "sarif":
        for result in sarif(done)["results"]:
            told = result["message"]["text"]
            assert "{0}" not in told.replace("{{0}", "")
            assert "](http" not in told.replace("\\](http", "")
    if form == "junit":
        assert len(list(junit(done).iter("testcase"))) == 1 + len(RULES) + 3


def test_plain_messages_are_left_as_they_are():
    assert message("a[0] = {'x': 1} of 2") == {"text": "a[0] = {'x': 1} of 2"}
    assert message("[a](b) {1}") == {"text": "\\[a\\](b) {{1}"}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (f"{ROOT}/pkg/a b.py", ("pkg/a%20b.py", True)),
        ("pkg/app.py", ("pkg/app.py", True)),
        ("/elsewhere/app.py", ("file:///elsewhere/app.py", False)),
        ("../app.py", ("..%2Fapp.py", False)),
        (f"{ROOT}/../app.py", ("file:///work%20of%20mine/repo/../app.py", False)),
        ("https://evil.example/x", ("https%3A/evil.example/x", True)),
        (HOSTILE, None),
    ],
)
def test_files_are_told_from_where_the_check_was_asked_for(file, expected):
    uri, inside = SUBJECT.uri(file)
    if expected is not None:
        assert (uri, inside) == expected
    assert uri.isascii()
    assert not {" ", "\n", "<", '"'} & set(uri)
    assert SUBJECT.root_uri == "file:///work%20of%20mine/repo/"
