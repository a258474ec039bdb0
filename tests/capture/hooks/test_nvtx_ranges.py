"""Ranges as a tool hears them through NVTX itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from nvtx_tool import Heard, Tool, compile_tool

from ortprobe.bundle import Call
from tests.capture.conftest import RUN, Trace

CREATE = """
import numpy as np
import onnxruntime
def create():
    return onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
feeds = {"x": np.ones((2, 3), np.float32)}
"""
PASS = """
value = onnxruntime.OrtValue.ortvalue_from_numpy(feeds["x"])
binding = session.io_binding()
binding.bind_ortvalue_input("x", value)
binding.bind_output("y")
def one_pass():
    value.update_inplace(feeds["x"])
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()
"""
ENDS = ("sys.exit(3)", "os._exit(3)", "1 / 0", "os.kill(os.getpid(), signal.SIGTERM)")
COPY_RUN_READ = ["update_inplace", "run_with_iobinding", "copy_outputs_to_cpu"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_tool(tmp_path_factory.mktemp("nvtx"))


@pytest.fixture
def tool(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None) -> Tool:
    """Whatever is traced in this test has the tool listening; without torch."""
    monkeypatch.setenv("NVTX_INJECTION64_PATH", str(library))
    monkeypatch.setenv("NVTX_TOOL_LOG", str(tmp_path / "nvtx.log"))
    return Tool(tmp_path / "nvtx.log")


def iterations(tool: Tool) -> list[Heard]:
    return [one for one in tool.ranges() if one.name == "iteration"]


def test_each_pass_of_a_loop_is_an_iteration_by_number(tool: Tool, trace_script: Trace) -> None:
    text = CREATE + "session = create()\n" + PASS + "for _ in range(4):\n    one_pass()\n"
    assert trace_script(text, "--nvtx-only").code == 0
    found = iterations(tool)
    assert [one.payload for one in found] == [0, 1, 2, 3]
    assert [one.names() for one in found[1:]] == [COPY_RUN_READ] * 3
    assert found[0].names()[-3:] == COPY_RUN_READ
    assert [one.payload for pass_ in found for one in pass_.inside if one.name == "run_with_iobinding"] == [0, 1, 2, 3]
    assert all(one.closed for one in found)


def test_the_session_before_the_loop_is_outside_and_the_one_in_it_inside(tool: Tool, trace_script: Trace) -> None:
    text = CREATE + "first = create()\nfor _ in range(3):\n    again = create()\n    again.run(None, feeds)\n"
    trace_script(text, "--nvtx-only")
    outermost = tool.ranges()
    assert [one.name for one in outermost[:2]] == ["session", "session"]
    assert [one.names() for one in iterations(tool)] == [["run"], ["session", "run"], ["session", "run"]]


def test_several_runs_and_inner_loops_belong_to_the_iteration_that_they_are_in(
    tool: Tool, trace_script: Trace
) -> None:  # fmt: skip
    text = CREATE + (
        "session, other = create(), create()\n"
        "value = onnxruntime.OrtValue.ortvalue_from_numpy(feeds['x'])\n"
        "for _ in range(3):\n"
        "    for _ in range(2):\n        value.update_inplace(feeds['x'])\n"
        "    session.run(None, feeds)\n"
        "    other.run(None, feeds)\n"
        "    for _ in range(2):\n        value.numpy()\n"
    )
    trace_script(text, "--nvtx-only")
    whole = ["update_inplace"] * 2 + ["run"] * 2 + ["ortvalue.numpy"] * 2
    assert [one.names()[-6:] for one in iterations(tool)] == [whole] * 3


def test_calls_that_raise_close_their_ranges(tool: Tool, trace_script: Trace) -> None:
    text = CREATE + (
        "session = create()\n"
        "for number in range(4):\n"
        "    try:\n"
        "        session.run(None, feeds if number % 2 else {'nonsense': feeds['x']})\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
        "try:\n    session.set_providers(['Nonsense'])\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
    )
    program = trace_script(text, "--nvtx-only")
    assert program.code == 0
    assert program.stdout.split() == ["ValueError", "ValueError", "RuntimeError"]
    assert [one.names() for one in iterations(tool)] == [["run"]] * 3 + [["run", "set_providers"]]
    events = tool.events()
    pushed = sum(what == "push" for what, *_ in events)
    assert pushed == sum(what == "pop" for what, *_ in events) > 0


def test_a_thread_has_its_own_iterations_and_closes_the_last_before_it_ends(tool: Tool, trace_script: Trace) -> None:
    text = CREATE + (
        "import threading\nsession = create()\n"
        "def work():\n    for _ in range(3):\n        session.run(None, feeds)\n"
        "for _ in range(2):\n    thread = threading.Thread(target=work)\n    thread.start()\n    thread.join()\n"
        "session.disable_fallback()\n"
    )
    trace_script(text, "--nvtx-only")
    found = iterations(tool)
    assert sorted(one.payload for one in found) == list(range(6))
    assert len({one.thread for one in found}) == 2
    order = [(what, name) for what, _, name, _ in tool.events()]
    assert order.index(("push", "disable_fallback")) > max(at for at, event in enumerate(order) if event[1] == "run")
    assert all(one.closed for one in found)


def test_a_runner_says_itself_what_an_iteration_is(tool: Tool, trace_script: Trace) -> None:
    text = CREATE + (
        "import ortprobe\nrunner = ortprobe.Runner(create())\n"
        "for _ in range(3):\n    runner(feeds)\n"
        "feeds['wrong'] = 1\n"
        "try:\n    runner(feeds)\nexcept Exception:\n    pass\n"
    )
    trace_script(text, "--nvtx-only")
    found = iterations(tool)
    assert [one.names() for one in found] == [["bind", "run", "clone"], *[["copy", "run", "clone"]] * 2, []]
    assert [one.names() for one in found[1].inside] == [
        ["update_inplace"],
        ["run_with_iobinding"],
        ["get_outputs", *["ortvalue.numpy"] * 2],
    ]
    assert all(one.closed for one in found)


def test_a_runner_inside_of_a_hooked_call_closes_no_range_of_that_call(tool: Tool, trace_script: Trace) -> None:
    """onnxruntime asks the feeds for their keys."""
    text = CREATE + (
        "import ortprobe\n"
        "inner, session = ortprobe.Runner(create()), create()\n"
        "class Feeds(dict):\n    def keys(self):\n        inner(feeds)\n        return super().keys()\n"
        "for _ in range(3):\n    session.run(None, Feeds(feeds))\n"
    )
    assert trace_script(text, "--nvtx-only").code == 0
    outermost = [one for one in tool.ranges() if one.name == "iteration"]
    assert [one.names() for one in outermost] == [["run"]] * 3
    assert [run.names() for one in outermost for run in one.inside] == [["iteration"]] * 3
    assert all(one.closed and one.inside[0].closed for one in outermost)


def test_tasks_that_take_turns_on_one_thread_leave_no_range_open(tool: Tool, trace_script: Trace) -> None:
    text = CREATE + (
        "import asyncio\n"
        "session = create()\n"
        "async def serve(rounds):\n"
        "    value = onnxruntime.OrtValue.ortvalue_from_numpy(feeds['x'])\n"
        "    for _ in range(rounds):\n"
        "        value.update_inplace(feeds['x'])\n"
        "        await asyncio.sleep(0)\n"
        "        session.run(None, feeds)\n"
        "        await asyncio.sleep(0)\n"
        "        value.numpy()\n"
        "async def main():\n    await asyncio.gather(*(serve(4) for _ in range(3)))\n"
        "asyncio.run(main())\n"
    )
    assert trace_script(text, "--nvtx-only").code == 0
    outermost = [one for one in tool.ranges() if one.name != "ortprobe_hook_cost"]
    assert all(one.closed for one in outermost)
    assert {one.name for one in outermost} == {"session", "iteration"}
    assert sum(inside.name == "run" for one in outermost for inside in one.inside) == 12


def test_the_program_is_a_range_from_its_first_import_to_its_end(tool: Tool, trace_script: Trace) -> None:
    trace_script("print('first')\n" + RUN, "--nvtx-only")
    events = tool.events()
    began = next(at for at, event in enumerate(events) if event[0] == "start")
    ended = next(at for at, event in enumerate(events) if event[0] == "end")
    assert events[began][2] == "program"
    inside = [name for what, _, name, _ in events[began:ended] if what == "push"]
    assert began == 0
    assert inside[0] == "session"
    assert inside.count("run") == inside.count("iteration") == 5
    after = {name for what, _, name, _ in events[ended:] if what == "push"}
    assert after == {"ortprobe_hook_cost"}


@pytest.mark.parametrize("end", ENDS)
def test_trials_of_the_hooks_lie_behind_the_program_however_it_ends(
    tool: Tool, trace_script: Trace, end: str
) -> None:  # fmt: skip
    trace_script(RUN + end, "--nvtx-only")
    events = [(what, name) for what, _, name, _ in tool.events()]
    trials = [at for at, (_, name) in enumerate(events) if name == "ortprobe_hook_cost"]
    ended = [at for at, (what, _) in enumerate(events) if what == "end"]
    assert (len(trials) > 0, len(ended)) == ((False, 0) if "os._exit" in end else (True, 1))
    assert min(trials, default=0) >= max(ended, default=0)


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_as_it_would(tool: Tool, trace_script: Trace, end: str) -> None:
    program = trace_script(RUN + end, "--nvtx-only")
    assert program.code == (-15 if "SIGTERM" in end else 1 if "/" in end else 3)
    assert len(iterations(tool)) == 5


def test_children_begin_the_range_and_leave_its_end_to_the_program(tool: Tool, trace_script: Trace) -> None:
    """The program may not import onnxruntime at all, and it may go on when a child has ended."""
    text = CREATE + (
        "import subprocess, sys\nsession = create()\n"
        "if sys.argv[1] == 'word':\n    subprocess.run([sys.executable, __file__, 'child'], check=True)\n"
        "session.run(None, feeds)\n"
    )
    trace_script(text, "--nvtx-only")
    whats = [what for what, *_ in tool.events()]
    assert (whats.count("start"), whats.count("end")) == (2, 1)
    assert len(iterations(tool)) == 2


def test_a_block_in_code_is_the_range_and_its_forks_leave_it_open(tool: Tool, model: Path, tmp_path: Path) -> None:
    text = (
        f"MODEL = {str(model)!r}\n"
        + CREATE
        + (
            "import os, ortprobe\n"
            "with ortprobe.trace('out', torch_profiler=False):\n"
            "    create().run(None, feeds)\n"
            "    child = os.fork()\n"
            "if child:\n    os.waitpid(child, 0)\n"
            "os._exit(0)\n"
        )
    )
    (tmp_path / "block.py").write_text(text)
    command = [sys.executable, "block.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    whats = [what for what, *_ in tool.events()]
    assert (whats.count("start"), whats.count("end")) == (1, 1)


def test_numpy_is_not_imported_before_the_program_does(tool: Tool, trace_script: Trace) -> None:
    program = trace_script("import sys; print({'numpy', 'nvtx'} & set(sys.modules))\n" + RUN, "--nvtx-only")
    assert program.stdout == "set()\n"


def test_where_nobody_listens_the_package_is_asked_once_and_nothing_is_opened(
    trace_script: Trace, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NVTX_INJECTION64_PATH", raising=False)
    text = (
        RUN
        + "from ortprobe.capture.hooks.nvtx_ranges import *\nprint(range_functions('run', 'run') == (no_push, no_pop))"
    )
    assert trace_script(text, "--nvtx-only").stdout == "True\n"


@pytest.mark.parametrize(
    "calls",
    [
        "def get_event_attributes(self, **_): return object()",
        "get_event_attributes = push_range = pop_range = start_range = end_range = lambda self, *_, **__: 1 / 0",
        "get_event_attributes = push_range = pop_range = end_range = lambda self, *_, **__: 1\n"
        "    start_range = lambda self, _: 1 / 0",
    ],
    ids=["without push_range, as nvtx 0.2.11", "whose calls all raise", "that can't start a range"],
)
def test_a_package_of_another_kind_leaves_the_program_and_its_hooks_alone(
    tool: Tool, trace_script: Trace, tmp_path: Path, calls: str
) -> None:
    other = tmp_path / "without" / "nvtx"
    other.mkdir()
    (other / "__init__.py").write_text(
        f"class Domain:\n    {calls}\ndef get_domain(name): return Domain()\ndef enabled(): return True\n"
    )
    program = trace_script(RUN + "print('ran')", "--nvtx-only")
    assert (program.code, program.stdout) == (0, "ran\n")
    assert [call.what for call in program.bundle.records if isinstance(call, Call)].count("run") == 5
