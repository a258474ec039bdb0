"""Records ONNX Runtime profiles of one version: `python make.py VERSION [RECORDING …]`.

Makes a virtual environment of its own with that version from PyPI, records in it, writes `VERSION/RECORDING.json.gz`
beside this file and what is known of each recording without reading it into `VERSION/known.json`, and removes the
environment. Without names it makes `plain`, `subgraphs`, `parallel`, `threads` and `names`. Optimisations are off, so
that the executed nodes are those of the model. Profiles are kept byte for byte, but for `truncated`.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent
EVERY_VERSION = ("plain", "subgraphs", "parallel", "threads", "names")
ODD_NAMES = (
    'quote"d', "back\\slash", "new\nline", "tab\tstop", "control\x01", "ünïcode 漢字 🚀", "</script><b>", "",
    "own_kernel_time", "model_run", "{}[],:", "\u2028",
)  # fmt: skip
KEPT_AT_EACH_END = 60
"""Events that are kept of a profile of a million."""


def main(version: str, names: list[str]) -> None:
    """Record in a fresh environment with that version."""
    numpy = "numpy<2" if tuple(map(int, version.split(".")[:2])) < (1, 19) else "numpy"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = f"{folder}/bin/python"
        packages = [f"onnxruntime=={version}", numpy, "onnx"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        environment = {**os.environ, "ZOO_VERSION": version}
        subprocess.run([python, __file__, "--record", *(names or EVERY_VERSION)], check=True, env=environment)


def record(version: str, names: list[str]) -> None:
    """Make the named recordings with the installed version, keeping what is known of others."""
    target = FOLDER / version
    target.mkdir(exist_ok=True)
    path = target / "known.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            profile, known[name] = RECORDINGS[name]()
        known[name]["process"] = os.getpid()
        with gzip.GzipFile(target / f"{name}.json.gz", "wb", mtime=0) as file:
            file.write(profile)
    lines = (f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in sorted(known.items()))
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


class Recording:
    """One session with profiling on, the runs made with it, and how often each node was executed."""

    def __init__(self, model: bytes, prefix: str = "profile", parallel: bool = False) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = prefix
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if parallel:
            options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
            options.inter_op_num_threads = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.runs: list[tuple[int, int, int]] = []
        """Unix time in ns before and after each run, and the OS thread id."""

    def run(self, **inputs: object) -> None:
        before_ns = time.time_ns()
        self.session.run(None, inputs)
        self.runs.append((before_ns, time.time_ns(), threading.get_native_id()))

    def end(self, nodes: Counter[str]) -> tuple[bytes, dict[str, object]]:
        start_ns = self.session.get_profiling_start_time_ns()
        profile = Path(self.session.end_profiling()).read_bytes()
        return profile, {"start_ns": start_ns, "runs": sorted(self.runs), "nodes": dict(nodes)}


def plain() -> tuple[bytes, dict[str, object]]:
    """Three nodes, three runs, the last with another shape."""
    recording = Recording(chain(["first", "second", "third"]))
    for rows in (2, 2, 5):
        recording.run(x=floats(rows, 4))
    return recording.end(Counter({"first": 3, "second": 3, "third": 3}))


def subgraphs() -> tuple[bytes, dict[str, object]]:
    """Two runs of an If, a Loop of three rounds and a Scan over four rows."""
    recording = Recording(control_flow())
    for _ in range(2):
        recording.run(x=floats(4, 2))
    once = {"sum": 1, "positive": 1, "if": 1, "then": 1, "loop": 1, "loop_go_on": 3, "loop_add": 3}
    once |= {"scan": 1, "scan_add": 4, "scan_copy": 4}
    return recording.end(Counter({name: 2 * count for name, count in once.items()}))


def parallel() -> tuple[bytes, dict[str, object]]:
    """Four branches, executed by ORT_PARALLEL with three threads, two runs."""
    recording = Recording(branches(4), parallel=True)
    for _ in range(2):
        recording.run(x=floats(64, 64))
    names = [f"branch{branch}_{step}" for branch in range(4) for step in range(2)] + ["join"]
    return recording.end(Counter(dict.fromkeys(names, 2)))


def threads() -> tuple[bytes, dict[str, object]]:
    """One session run by two threads at once, three times each."""
    recording = Recording(chain(["first", "second"]))
    barrier = threading.Barrier(2)

    def work(_: int) -> None:
        for _ in range(3):
            barrier.wait()
            recording.run(x=floats(256, 256))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    return recording.end(Counter({"first": 6, "second": 6}))


def names() -> tuple[bytes, dict[str, object]]:
    """One run of nodes with names that JSON and HTML must escape; ORT calls the unnamed by type and index."""
    recording = Recording(chain(list(ODD_NAMES)))
    recording.run(x=floats(2, 2))
    return recording.end(Counter(name or f"Neg_{index}" for index, name in enumerate(ODD_NAMES)))


def collision() -> tuple[bytes, dict[str, object]]:
    """Two sessions made in the same millisecond with the same prefix: both write to one file, the longer first."""
    for _ in range(1000):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(Recording, [chain(["node"])] * 8))
        for rounds, recording in enumerate(made, 1):
            for _ in range(rounds):
                recording.run(x=floats(2, 2))
        paths = [recording.session.end_profiling() for recording in reversed(made)]
        shared = [path for path, count in Counter(paths).items() if count == 2]
        if shared:
            runs = [8 - index for index, path in enumerate(paths) if path == shared[0]]
            return Path(shared[0]).read_bytes(), {"runs_of_both": runs}
    raise SystemExit("no two sessions of 8,000 shared a file")


def killed() -> tuple[bytes, dict[str, object]]:
    """The program left by os._exit while the session lived."""
    if os.fork() == 0:
        recording = Recording(chain(["node"]))
        recording.run(x=floats(2, 2))
        os._exit(0)
    os.wait()
    (path,) = Path().glob("profile_*.json")
    return path.read_bytes(), {}


def truncated() -> tuple[bytes, dict[str, object]]:
    """A million events and more, of which the file here keeps the first and the last `KEPT_AT_EACH_END`."""
    recording = Recording(chain([f"node{index}" for index in range(500)]))
    for _ in range(2_000):
        recording.run(x=floats(1, 1))
    profile, known = recording.end(Counter())
    events = [line for line in profile.decode().splitlines() if line.startswith("{")]
    kept = [*events[:KEPT_AT_EACH_END], *events[-KEPT_AT_EACH_END:]]
    # Two events of loading, and for each run itself, its execution and its nodes.
    made = 2 + len(recording.runs) * (2 + 500)
    facts = {"start_ns": known["start_ns"], "events_made": made, "events_written": len(events)}
    return "\n".join(["[", *kept, "]"]).replace("},\n]", "}\n]").encode(), facts


RECORDINGS: dict[str, Callable[[], tuple[bytes, dict[str, object]]]] = {
    recording.__name__: recording
    for recording in (plain, subgraphs, parallel, threads, names, collision, killed, truncated)
}


def floats(*shape: int) -> object:
    """An array of ones."""
    import numpy

    return numpy.ones(shape, numpy.float32)


def chain(node_names: list[str]) -> bytes:
    """A model of one Neg after another."""
    from onnx import helper

    ends = ["x", *(f"y{index}" for index in range(len(node_names)))]
    pairs = zip(node_names, ends[:-1], ends[1:], strict=True)
    return serialized(
        [helper.make_node("Neg", [before], [after], name=name) for name, before, after in pairs], ends[-1]
    )


def branches(count: int) -> bytes:
    """A model of branches of two MatMuls each, summed at the end."""
    from onnx import helper

    nodes = []
    for branch in range(count):
        for step, (before, after) in enumerate((("x", f"a{branch}"), (f"a{branch}", f"b{branch}"))):
            nodes.append(helper.make_node("MatMul", [before, "x"], [after], name=f"branch{branch}_{step}"))
    nodes.append(helper.make_node("Sum", [f"b{branch}" for branch in range(count)], ["y"], name="join"))
    return serialized(nodes, "y")


def control_flow() -> bytes:
    """A model of an If whose condition holds, a Loop of three rounds, and a Scan over the rows of the input."""
    from onnx import TensorProto, helper

    def value(name: str, kind: int = TensorProto.FLOAT, shape: list[int] | None = None) -> object:
        return helper.make_tensor_value_info(name, kind, shape)

    node, graph, tensor = helper.make_node, helper.make_graph, helper.make_tensor
    then = graph([node("Neg", ["x"], ["t"], name="then")], "then_graph", [], [value("t")])
    otherwise = graph([node("Abs", ["x"], ["e"], name="else")], "else_graph", [], [value("e")])
    go_on = node("Identity", ["go_in"], ["go_out"], name="loop_go_on")
    loop_inputs = [value("i", TensorProto.INT64, []), value("go_in", TensorProto.BOOL, []), value("v")]
    add = node("Add", ["v", "one"], ["w"], name="loop_add")
    loop = graph([go_on, add], "loop_graph", loop_inputs, [value("go_out", TensorProto.BOOL, []), value("w")])
    steps = [
        node("Add", ["state", "row"], ["next"], name="scan_add"),
        node("Identity", ["next"], ["out"], name="scan_copy"),
    ]
    row = [2]
    scan_inputs, scan_outputs = [value("state", shape=row), value("row", shape=row)], ["next", "out"]
    scan = graph(steps, "scan_graph", scan_inputs, [value(name, shape=row) for name in scan_outputs])
    nodes = [
        node("ReduceSum", ["x"], ["s"], name="sum", keepdims=0),
        node("Greater", ["s", "zero"], ["p"], name="positive"),
        node("If", ["p"], ["c"], name="if", then_branch=then, else_branch=otherwise),
        node("Loop", ["three", "yes", "c"], ["l"], name="loop", body=loop),
        node("Scan", ["start", "l"], ["last", "y"], name="scan", body=scan, num_scan_inputs=1),
    ]
    constants = [
        tensor("zero", TensorProto.FLOAT, [], [0.0]),
        tensor("one", TensorProto.FLOAT, [], [1.0]),
        tensor("three", TensorProto.INT64, [], [3]),
        tensor("yes", TensorProto.BOOL, [], [True]),
        tensor("start", TensorProto.FLOAT, row, [0.0, 0.0]),
    ]
    return serialized(nodes, "y", constants)


def serialized(nodes: list[object], output: str, constants: list[object] | None = None) -> bytes:
    """A model that every version of onnxruntime since 1.17 reads, from input `x` to the output."""
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "columns"]) for name in ("x", output)]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], constants or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    if sys.argv[1] == "--record":
        record(os.environ["ZOO_VERSION"], sys.argv[2:])
    else:
        main(sys.argv[1], sys.argv[2:])
