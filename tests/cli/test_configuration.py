"""Options from pyproject.toml and from the environment: which wins, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from captures import DATA
from click.testing import CliRunner, Result

from ortprobe.cli import group
from ortprobe.errors import OrtprobeError

BUNDLE = str(DATA / "h100-examples" / "set-providers.ortprobe")
"""Has one finding that is a warning, S1, and one that is worth knowing, F1."""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Runs `ortprobe WORDS…` in `project/inner`, below a pyproject.toml with this text; stdout and exit code."""
    folder = tmp_path / "project" / "inner"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for name in os.environ:
        if name.startswith("ORTPROBE_"):
            monkeypatch.delenv(name)

    def run(*words: str, toml: str = "", env: dict[str, str] | None = None) -> Result:
        (tmp_path / "project" / "pyproject.toml").write_text(toml)
        return CliRunner().invoke(group, words, env=env, prog_name="ortprobe")

    return run


def standings(result: Result) -> dict[str, str]:
    assert result.exit_code in (0, 1), result.output
    document = json.loads(result.stdout)
    return {each.get("code") or each["key"]: each["standing"] for each in document["rules"] + document["budgets"]}


CHECK = ("check", BUNDLE, "--format", "json")


def test_a_file_above_gives_options(ask):
    found = standings(ask(*CHECK, toml='[tool.ortprobe.check]\nfail-on = "F1"\nignore = ["S1"]'))
    assert (found["S1"], found["F1"]) == ("ignored", "failed")


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(ask):
    toml = '[tool.ortprobe.check]\nfail-on = ["none"]'
    assert standings(ask(*CHECK, toml=toml))["S1"] == "noted"
    env = {"ORTPROBE_CHECK_FAIL_ON": "F1,error"}
    found = standings(ask(*CHECK, toml=toml, env=env))
    assert (found["S1"], found["F1"]) == ("noted", "failed")
    assert standings(ask(*CHECK, "--fail-on", "warning", toml=toml, env=env))["S1"] == "failed"


def test_names_of_variables_are_those_of_the_options(ask):
    result = ask("check", BUNDLE, env={"ORTPROBE_CHECK_FORMAT": "sarif", "ORTPROBE_CHECK_IGNORE": "S1 F1"})
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["runs"][0]["results"]) == 2


def test_a_budget_is_a_table_or_a_path_from_the_file(ask, tmp_path):
    table = '[tool.ortprobe.check]\nfail-on = "none"\nbudget = { re_inits = 0, races = 0, median = "1 ms" }'
    found = standings(ask(*CHECK, toml=table))
    assert (found["re_inits"], found["races"], found["median"]) == ("failed", "passed", "passed")
    (tmp_path / "project" / "ci.toml").write_text("re_inits = 1\n")
    path = '[tool.ortprobe.check]\nfail-on = "none"\nbudget = "ci.toml"'
    assert standings(ask(*CHECK, toml=path))["re_inits"] == "passed"


def test_the_nearest_file_that_configures_ortprobe_counts(ask, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.ortprobe.check]\nfail-on = "none"\n')
    assert ask("check", BUNDLE, toml="[tool.other]\nkey = 1\n").exit_code == 0
    assert ask("check", BUNDLE, toml="[tool.ortprobe.check]\n").exit_code == 1


def test_other_commands_are_configured_too(ask):
    result = ask("report", BUNDLE, toml='[tool.ortprobe.report]\nformat = "markdown"')
    assert result.stdout.startswith("# ortprobe report")
    shown = ask("trace", "nowhere.py", toml='[tool.ortprobe.trace]\nactive = 7\nno-report = true\nshape = ["x=1"]')
    assert isinstance(shown.exception, OrtprobeError)
    assert "nowhere.py" in str(shown.exception), "the options were taken, and the target was looked for"


REFUSED = {
    "unknown option": (
        '[tool.ortprobe.check]\nfail_on = "error"',
        "has fail_on, which is no option; did you mean fail-on",
    ),
    "unknown command": ("[tool.ortprobe.chekc]\n", "has chekc, which is no command; did you mean check?"),
    "option beside commands": ('[tool.ortprobe]\nfail-on = "error"', "has fail-on, which is no command"),
    "command that is no table": ('[tool.ortprobe]\ncheck = "error"', "check in [tool.ortprobe] is no table"),
    "text for a flag": ('[tool.ortprobe.check]\nforce = "yes"', "force = 'yes': write true or false"),
    "table for text": ("[tool.ortprobe.check]\nfail-on = {a = 1}", "fail-on = {'a': 1}: write text"),
    "list for one": ('[tool.ortprobe.check]\nformat = ["json"]', "format = ['json']: write text or a number"),
    "date": ("[tool.ortprobe.check]\nignore = [2026-01-01]", "ignore = "),
    "unknown budget": ("[tool.ortprobe.check]\nbudget = {sinks = 1}", "there is no budget sinks"),
    "unknown rule": ('[tool.ortprobe.check]\nignore = "S99"', "--ignore 'S99': no rule has this code or name"),
    "no TOML": ("[tool.ortprobe\n", "is no TOML"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_in_the_file_is_refused_in_one_line_that_names_it(ask, tmp_path, name):
    toml, told = REFUSED[name]
    error = ask("check", BUNDLE, toml=toml).exception
    assert isinstance(error, OrtprobeError)
    assert str(error).startswith(str(tmp_path / "project" / "pyproject.toml"))
    assert told in str(error)
    assert "\n" not in str(error)


def test_values_that_click_refuses_name_where_they_were_given(ask, tmp_path, monkeypatch, capsys):
    from ortprobe.cli import main

    def told(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["ortprobe", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        return capsys.readouterr().err

    ask("--version", toml='[tool.ortprobe.check]\nformat = "yaml"\n')
    assert told("check", BUNDLE).startswith(f"ortprobe: {tmp_path / 'project' / 'pyproject.toml'}: ")
    monkeypatch.setenv("ORTPROBE_CHECK_FORMAT", "toml")
    assert told("check", BUNDLE).startswith("ortprobe: ORTPROBE_CHECK_FORMAT: ")
    assert told("check", BUNDLE, "--format", "xml").startswith("ortprobe: Invalid value for '--format'")


def test_variables_that_are_no_options_change_nothing(ask):
    env = {"ORTPROBE_PARENT": "x", "ORTPROBE_CHECK_HELP": "1", "ORTPROBE_VERSION": "1", "ORTPROBE_HELP": "1"}
    assert standings(ask(*CHECK, env=env))["S1"] == "failed"


def test_without_a_file_nothing_changes(tmp_path, monkeypatch):
    from ortprobe.cli.configuration import find_configuration

    assert find_configuration(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text('[tool]\nortprobe = "no table"\n')
    assert find_configuration(tmp_path) is None
    assert find_configuration(Path(__file__).parents[2]) is None, "this repository's own"
