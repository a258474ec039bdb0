"""A program is run once more in a process of its own; whatever happens to it, each suspect gets an answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from commands import ROOT
from onnx import TensorProto, helper

from ortprobe.bundle.confirmations import DID_NOT_OCCUR, DIFFERS_ANYWAY, Confirmation, Suspect
from ortprobe.capture.confirm.parent import confirm_races
from ortprobe.capture.confirm.plan import RacePlan, read_plan, write_plan
from ortprobe.capture.program.parent_variable import PARENT_VARIABLE

LOOP = """
import os, sys, time
import numpy as np, onnxruntime, torch
session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
image, result = torch.empty((2, 3)), torch.empty((2, 3))
binding = session.io_binding()
binding.bind_input("x", "cpu", 0, np.float32, (2, 3), image.data_ptr())
binding.bind_output("y", "cpu", 0, np.float32, (2, 3), result.data_ptr())
total = 0.0
for number in range(ROUNDS):
    image.copy_(torch.full((2, 3), float(number)))  # the write
    session.run_with_iobinding(binding)  # the run
    total += float(result.clone().sum())  # the read
print("total", total, sys.argv[1:])
"""
UNCHANGED = "outputs did not change in 5 tries, without a GPU stream to be delayed"

Planned = Callable[..., RacePlan]


@pytest.fixture
def planned(tmp_path: Path, model: Path) -> Planned:
    """A plan for a script, with suspects given as (hazard, first, what is at its line, second, what is at its line)."""

    def plan(text: str, *suspects: tuple[str, str, str, str, str], rounds: int = 20, **more: object) -> RacePlan:
        script = tmp_path / "program.py"
        script.write_text(f"MODEL, ROUNDS = {str(model)!r}, {rounds}\n{text}")
        lines = script.read_text().splitlines()

        def site(mark: str) -> str:
            found = [number for number, line in enumerate(lines, 1) if line.endswith(mark)]
            return f"{script}:{found[0] if found else 9999}"

        made = tuple(
            Suspect(hazard=hazard, first_what=first, first_site=site(at), second_what=second, second_site=site(then))
            for hazard, first, at, second, then in suspects
        )
        return RacePlan(kind="script", path=str(script), suspects=made, **more)

    return plan


WRITE_RUN = ("read-after-write", "copy_", "# the write", "run_with_iobinding", "# the run")
RUN_READ = ("read-after-write", "run_with_iobinding", "# the run", "clone", "# the read")
RUN_WRITE = ("write-after-read", "run_with_iobinding", "# the run", "copy_", "# the write")
READ_RUN = ("write-after-read", "clone", "# the read", "run_with_iobinding", "# the run")
ELSEWHERE = ("read-after-write", "copy_", "# nowhere", "run_with_iobinding", "# the run")


def seen(confirmations: tuple[Confirmation, ...]) -> list[tuple[int, int, str]]:
    return [(one.tried, one.changed, one.why) for one in confirmations]


@pytest.mark.parametrize("suspect", [WRITE_RUN, RUN_READ, RUN_WRITE, READ_RUN])
def test_each_kind_of_suspect_is_tried(planned: Planned, suspect: tuple[str, str, str, str, str]) -> None:
    """On the CPU every call is complete when it returns, so that nothing can change."""
    plan = planned(LOOP, suspect)
    confirmations = confirm_races(plan, 60)
    assert [one.suspect for one in confirmations] == list(plan.suspects)
    assert seen(confirmations) == [(5, 0, UNCHANGED)]


def test_suspects_take_turns(planned: Planned) -> None:
    confirmations = confirm_races(planned(LOOP, WRITE_RUN, ELSEWHERE, RUN_READ, RUN_WRITE, READ_RUN, rounds=60), 60)
    assert seen(confirmations) == [
        (5, 0, UNCHANGED),
        (0, 0, DID_NOT_OCCUR),
        *[(5, 0, UNCHANGED)] * 3,
    ]


def test_a_second_call_that_never_comes_keeps_no_other_from_its_turn(planned: Planned) -> None:
    never = ("read-after-write", "copy_", "# the write", "clone", "# nowhere")
    confirmations = confirm_races(planned(LOOP, never, WRITE_RUN, RUN_READ, rounds=200), 60)
    assert seen(confirmations) == [(0, 0, DID_NOT_OCCUR), *[(5, 0, UNCHANGED)] * 2]


def test_too_few_rounds(planned: Planned) -> None:
    assert seen(confirm_races(planned(LOOP, WRITE_RUN, rounds=1), 60)) == [
        (0, 0, f"{DID_NOT_OCCUR} often enough to be tried")
    ]
    assert confirm_races(planned(LOOP, WRITE_RUN, rounds=3), 60)[0].tried == 2


def test_results_that_differ_anyway_prove_nothing(planned: Planned, tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("RandomNormalLike", ["x"], ["noise"]),
            helper.make_node("Add", ["x", "noise"], ["y"]),
        ],
        "noisy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3))],
    )
    noisy = tmp_path / "noisy.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(noisy))
    plan = planned(f"MODEL = {str(noisy)!r}\n{LOOP}", WRITE_RUN)
    assert seen(confirm_races(plan, 60)) == [(0, 0, DIFFERS_ANYWAY)]


def test_the_program_does_what_it_does_without_hooks(planned: Planned, tmp_path: Path) -> None:
    plan = planned(
        LOOP, WRITE_RUN, RUN_READ, RUN_WRITE, READ_RUN, argv=("a", "b"), ends_early=False, result=str(tmp_path / "out")
    )
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    commands = [["-m", "ortprobe.capture.confirm", str(tmp_path / "plan.json")], [plan.path, *plan.argv]]
    hooked, bare = (
        subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60, check=True)
        for words in commands
    )
    assert hooked.stdout == bare.stdout == "total 2280.0 ['a', 'b']\n"
    assert hooked.stderr == bare.stderr


def test_program_ends_when_there_is_nothing_more_to_try(planned: Planned) -> None:
    start_s = time.monotonic()
    assert seen(confirm_races(planned(f"{LOOP}\ntime.sleep(600)", WRITE_RUN), 60)) == [(5, 0, UNCHANGED)]
    assert time.monotonic() - start_s < 50


def test_calls_that_can_not_be_tried_need_no_program(planned: Planned) -> None:
    plan = planned("raise SystemError", ("read-after-write", "mul_", "# a", "run", "# b"))
    assert seen(confirm_races(plan, 60)) == [(0, 0, "calls of mul_ can't be repeated")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import os; os.abort()", "the program crashed when it was run again (SIGABRT)"),
        ("import os; os._exit(3)", "the program ended early when it was run again (exit code 3)"),
        ("raise ValueError('mine')", DID_NOT_OCCUR),
        ("def", "the program ended early when it was run again (exit code 2)"),
        ("import time; time.sleep(600)", "the program was still running after 2 s"),
        ("import os, time\nif os.fork():\n    time.sleep(600)", "the program was still running after 2 s"),
    ],
)
def test_however_the_program_ends(planned: Planned, text: str, why: str) -> None:
    assert seen(confirm_races(planned(text, WRITE_RUN), 2 if "sleep" in text else 60)) == [(0, 0, why)]


def test_a_crash_keeps_what_was_settled_before(planned: Planned) -> None:
    confirmations = confirm_races(planned(f"{LOOP}\nos.abort()", WRITE_RUN, ELSEWHERE), 60)
    assert seen(confirmations) == [
        (5, 0, UNCHANGED),
        (0, 0, "the program crashed when it was run again (SIGABRT)"),
    ]


@pytest.mark.parametrize("garbage", ["", "{", "[]", "[1]", "\\xff", "[" * 5000])
def test_garbage_in_place_of_a_result(planned: Planned, tmp_path: Path, garbage: str) -> None:
    result = tmp_path / "result.json"
    text = f"import os\nopen({str(result)!r}, 'wb').write({garbage!r}.encode('latin1'))\nos._exit(0)"
    [confirmation] = confirm_races(planned(text, WRITE_RUN, result=str(result)), 60)
    assert not confirmation.is_confirmed
    assert confirmation.why.startswith("what running the program again has given can't be read (")


def test_what_an_earlier_time_left_is_not_read(planned: Planned, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    plan = planned(LOOP, WRITE_RUN, result=str(result))
    confirm_races(plan, 60)
    assert result.exists()
    Path(plan.path).write_text("def")
    assert confirm_races(plan, 60)[0].tried == 0


def test_forked_children_write_nothing(planned: Planned) -> None:
    text = (
        LOOP.replace("for number", "child = os.fork()\nfor number") + "\nif not child: sys.exit()\nos.waitpid(child, 0)"
    )
    assert seen(confirm_races(planned(text, WRITE_RUN), 60)) == [(5, 0, UNCHANGED)]


@pytest.mark.parametrize("rounds", [1, 20])
def test_what_the_program_started_ends_with_it(planned: Planned, tmp_path: Path, rounds: int) -> None:
    """Whether the program has got to its end or not."""
    marker = tmp_path / "worker"
    worker = f"import os, time; open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    starts = f"import subprocess, sys, time, os\nsubprocess.Popen([sys.executable, '-c', {worker!r}])"
    waits = f"while not os.path.exists({str(marker)!r}): time.sleep(0.01)"
    confirm_races(planned(f"{starts}\n{waits}\n{LOOP}", WRITE_RUN, rounds=rounds), 60)
    time.sleep(0.2)
    state = Path(f"/proc/{marker.read_text()}/stat")
    assert not state.exists() or " Z " in state.read_text()


def test_module_in_a_folder_of_its_own(planned: Planned, tmp_path: Path) -> None:
    plan = planned(LOOP, WRITE_RUN)
    module = RacePlan(kind="module", path="program", suspects=plan.suspects, folder=str(tmp_path))
    assert seen(confirm_races(module, 60)) == [(5, 0, UNCHANGED)]
    nowhere = RacePlan(kind="module", path="program", suspects=plan.suspects, folder=str(tmp_path / "gone"))
    assert confirm_races(nowhere, 60)[0].why.startswith("the program could not be run again: FileNotFoundError")


def test_child_is_not_traced_itself(planned: Planned, tmp_path: Path) -> None:
    text = f"import os\nopen({str(tmp_path / 'seen')!r}, 'w').write(repr(os.environ.get({PARENT_VARIABLE!r})))"
    environment = {**os.environ, PARENT_VARIABLE: "{}", "PYTHONPATH": str(ROOT)}
    confirm_races(planned(text, WRITE_RUN), 60, environment)
    assert (tmp_path / "seen").read_text() == "None"


def test_nothing_suspected_runs_nothing() -> None:
    assert confirm_races(RacePlan(kind="script", path="/nowhere.py"), 1) == ()


def test_output_goes_to_stderr(planned: Planned, capfd: pytest.CaptureFixture[str]) -> None:
    confirm_races(planned("print('said')", WRITE_RUN), 60)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "said\n")
