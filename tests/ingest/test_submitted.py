"""The line that submitted work to a pool is the line behind what the pool's thread then does."""

from __future__ import annotations

import sys
from pathlib import Path

from commands import run_python

from ortprobe.bundle import Call, Handover
from ortprobe.ingest import load_bundle
from ortprobe.ingest.sources.submitted import submitting_sites

POOL = "/usr/lib/python3.12/concurrent/futures/thread.py:58"


def run(thread: int, start_ns: int, site: str = POOL, session: int = 0) -> Call:
    return Call(what="run", start_ns=start_ns, end_ns=start_ns + 1, thread=thread, session=session, site=site)


def submitted(token: int, at_ns: int, thread: int, site: str) -> list[Handover]:
    return [
        Handover(what="future.submit", at_ns=at_ns - 5, thread=1, token=token, gives=True, site=site),
        Handover(what="future.run", at_ns=at_ns, thread=thread, token=token, gives=False),
    ]


def test_each_call_gets_the_line_of_its_own_task() -> None:
    records = [*submitted(2, 100, 8, "app.py:5"), *submitted(4, 200, 8, "app.py:9"), *submitted(6, 150, 9, "app.py:7")]
    calls = [run(8, 110), run(8, 205), run(9, 205), run(9, 90), run(8, 300, "app.py:30")]
    assert submitting_sites(calls, records) == ["app.py:5", "app.py:9", "app.py:7", POOL, "app.py:30"]


def test_call_outside_of_windows_gets_the_only_line_there_is() -> None:
    records = [*submitted(2, 100, 8, "app.py:5"), *submitted(4, 200, 8, "app.py:5")]
    calls = [run(8, 110), run(8, 205), run(9, 999), run(9, 999, session=1)]
    assert submitting_sites(calls, records) == ["app.py:5", "app.py:5", "app.py:5", POOL]


def test_traced_program_with_a_pool(tmp_path: Path) -> None:
    program = """
import numpy, onnx, onnxruntime, torch
from onnx import TensorProto, helper
from concurrent.futures import ThreadPoolExecutor
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
with ThreadPoolExecutor(2) as pool:
    for _ in range(9):
        pool.submit(session.run, None, {"x": numpy.ones(4, "float32")}).result()
"""
    (tmp_path / "program.py").write_text(program)
    options = ["--no-report", "--active", 3, "--torch-runs", 2]
    done = run_python("-m", "ortprobe", "trace", *options, "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    timeline = load_bundle(tmp_path / "reports" / "program" / "program.ortprobe")
    rows = timeline.hooks.rows_of(timeline.runs.hook_span)
    sites = {timeline.names[site] for site in timeline.hooks.site[rows]}
    assert sites == {f"{tmp_path / 'program.py'}:11"}, sys.version
