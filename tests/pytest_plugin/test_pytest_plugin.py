"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

INSTALLED = any(entry.name == "ortprobe" for entry in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "ortprobe.pytest_plugin")
HEAD = """
import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper


@pytest.fixture(scope="module")
def model():
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def session(model):
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def run(session, times=5):
    for _ in range(times):
        session.run(None, {"x": numpy.zeros(2, "f4")})

"""


@pytest.fixture
def tested(pytester):
    """Runs tests of this text in a process of its own; torch is not imported, so that it takes a second."""

    def run(body: str, *words: str, head: str = HEAD) -> pytest.RunResult:
        pytester.makepyfile(test_it=head + body)
        return pytester.runpytest_subprocess(*PLUGIN, "--strict-markers", "-W", "error", *words)

    return run


def test_limits_that_are_kept_to_pass(tested):
    result = tested("""
@pytest.mark.ortprobe(max_re_inits=0, max_sessions=1, max_syncs_per_run=1, max_races=0, max_median="10 s")
def test_steady(model):
    run(session(model))

@pytest.mark.ortprobe(max_re_inits=0, fail_on="error", ignore=["S1"])
class TestAll:
    def test_method(self, model):
        run(session(model))
""")
    result.assert_outcomes(passed=2)


def test_a_failure_names_value_limit_and_line(tested):
    result = tested("""
@pytest.mark.ortprobe(max_re_inits=0, max_p99="1 ms")
def test_twice(model):
    made = session(model)
    run(made)
    made.set_providers(["CPUExecutionProvider"])
    run(made)
""")
    result.assert_outcomes(failed=1)
    line = HEAD.count("\n") + 5
    result.stdout.fnmatch_lines(
        [
            "ortprobe: failed: 1 budget; can't tell: 1 budget",
            "failed * re_inits: 1, limit 0",
            f"* at *test_it.py:{line}",
            "can't tell * p99: *can't tell, because it takes 100 steady runs without a profiler, and there are 0",
            "more: ortprobe report *capture-0.ortprobe",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_findings_fail_when_that_is_asked_for(tested):
    result = tested("""
@pytest.mark.ortprobe(fail_on="S1")
def test_twice(model):
    made = session(model)
    run(made)
    made.set_providers(["CPUExecutionProvider"])
    run(made)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["failed * S1 session_recreated (warning): *"])


def test_a_test_without_any_run_has_no_verdict(tested):
    result = tested("""
@pytest.mark.ortprobe(max_races=0)
def test_nothing():
    pass
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["ortprobe: no verdict: no inference of ONNX Runtime was recorded"])


def test_what_the_test_itself_raises_comes_first(tested):
    result = tested("""
@pytest.mark.ortprobe(max_sessions=0)
def test_fails(model):
    session(model)
    assert 1 == 2

@pytest.mark.ortprobe(max_sessions=0)
def test_skips(model):
    pytest.skip("not here")

@pytest.mark.xfail(strict=True)
@pytest.mark.ortprobe(max_sessions=0)
def test_expected_to_fail(model):
    run(session(model))
""")
    result.assert_outcomes(failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["E * assert 1 == 2"])


def test_the_fixture_captures_a_part_and_gives_its_report(tested):
    result = tested("""
def test_parts(model, ortprobe_capture):
    made = session(model)
    with ortprobe_capture() as free:
        run(session(model))
    with ortprobe_capture(max_sessions=1, max_re_inits=0, active_runs=0, torch_runs=0, max_median="10 s") as held:
        run(session(model))
    assert (len(free.report.runs()), len(held.report.sessions())) == (5, 1)
    assert free.folder != held.folder
    with pytest.raises(pytest.fail.Exception, match="sessions: 1, limit 0"):
        with ortprobe_capture(max_sessions=0):
            run(session(model))
    with pytest.raises(ZeroDivisionError):
        with ortprobe_capture(max_sessions=0):
            1 / 0
""")
    result.assert_outcomes(passed=1)


REFUSED = {
    "max_reinits=0": "there is no budget reinits; did you mean re_inits?",
    "re_inits=0": "there is no re_inits to hold a test to; did you mean max_re_inits?",
    "max_median=3": "say the unit",
    "fail_on='warnign'": "did you mean warning?",
    "fail_on=3": "fail_on=3: write a word, or a list of words",
    "max_races=0, active_runs=-1": "active_runs=-1: write a number of runs",
    "": "say by name what to hold the test to",
    "0": "say by name what to hold the test to",
}


def test_arguments_that_are_none_fail_the_test_in_one_line(tested):
    body = "".join(
        f"@pytest.mark.ortprobe({arguments})\ndef test_{number}(): pass\n\n" for number, arguments in enumerate(REFUSED)
    )
    result = tested(body, head="import pytest\n\n")
    result.assert_outcomes(failed=len(REFUSED))
    result.stdout.fnmatch_lines([f"*ortprobe: *{told}*" for told in REFUSED.values()][:-2])
    assert "During handling" not in result.stdout.str()


def test_a_marked_method_of_unittest_is_held_to_its_limits(tested):
    result = tested("""
import unittest

class Case(unittest.TestCase):
    @pytest.mark.ortprobe(max_races=0)
    def test_nothing(self):
        pass
""")
    result.assert_outcomes(failed=1)


def test_nothing_is_imported_for_tests_that_do_not_ask(tested):
    result = tested(
        """
import sys

def test_plain():
    assert not {"numpy", "torch", "onnxruntime", "click", "ortprobe.capture", "ortprobe.rules"} & set(sys.modules)
""",
        head="",
    )
    result.assert_outcomes(passed=1)


def test_tests_are_held_to_their_limits_in_several_processes(tested):
    body = "".join(
        f"@pytest.mark.ortprobe(max_sessions={limit})\ndef test_{limit}(model):\n    run(session(model))\n\n"
        for limit in range(3)
    )
    tested(body, "-n", "2").assert_outcomes(passed=2, failed=1)
