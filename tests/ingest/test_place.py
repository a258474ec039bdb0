"""Finding where a bare ORT profile lies in time: right, or doubted, never wrong."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from captures import DATA
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import Scene, at_ns

from ortprobe.ingest import load_bundle, load_files
from ortprobe.timeline import NONE, ClockMethod, Kind, ProblemKind


def program(seed: int, runs: int, profiled: range, jitter_us: int) -> tuple[Scene, int]:
    """A scene with `runs` runs of six nodes, of which ORT's profile holds `profiled`; and when profiling started."""
    random_us = random.Random(seed)
    scene, start_us = Scene(), random_us.randint(0, 5_000)
    profile, now_us, correlation = scene.profile(start_us), start_us + 2_000, 1
    for run in range(runs):
        begin_us = now_us
        nodes = []
        for node in range(6):
            now_us += random_us.randint(2, 2 + jitter_us)
            length_us = 20 + 10 * node + random_us.randint(0, jitter_us)
            scene.launch(f"kernel{node}", now_us + 5, now_us + 12, 3, correlation)
            nodes.append((f"n{node}", now_us, length_us, node))
            correlation += 1
            now_us += length_us
        if run in profiled:
            profile.run(begin_us, now_us + 5 - begin_us)
            for name, node_us, length_us, index in nodes:
                profile.node(name, node_us, length_us, index=index)
        now_us += 300 + random_us.randint(0, 50 * jitter_us)
    return scene, start_us


def load_bare(scene: Scene, folder: Path):
    folder.mkdir(exist_ok=True)
    return load_files(ort=[scene.write_profile(folder, 0)], torch=[scene.write_trace(folder)])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(2, 9))
def test_a_profile_is_placed_within_its_bound_or_doubted(seed, runs, jitter_us):
    first = seed % (runs - 2)
    scene, start_us = program(seed, runs, range(first, runs), jitter_us)
    with TemporaryDirectory() as folder:
        timeline = load_bare(scene, Path(folder))
    (bound,) = timeline.clocks
    if bound.method is ClockMethod.UNCHECKED:
        assert ProblemKind.CLOCK_DOUBT in {problem.kind for problem in timeline.problems}
        return
    first_node = timeline.node_spans.span[0]
    written_us = next(event["ts"] for event in scene.profiles[0].events if event["cat"] == "Node")
    applied_ns = int(timeline.spans.start_ns[first_node]) - written_us * 1000
    assert applied_ns + bound.low_ns <= at_ns(start_us) <= applied_ns + bound.high_ns


def test_jitter_makes_the_place_certain_and_every_kernel_gets_its_own_node(tmp_path):
    scene, _ = program(seed=7, runs=10, profiled=range(10), jitter_us=9)
    timeline = load_bare(scene, tmp_path)
    assert timeline.clocks[0].method is ClockMethod.NESTING
    kernels = timeline.spans.of_kind(Kind.KERNEL)
    nodes = timeline.links.node[kernels]
    assert (nodes != NONE).all()
    names = [timeline.names[timeline.nodes.name[node]] for node in nodes.tolist()]
    assert names == [timeline.name_of(kernel).replace("kernel", "n") for kernel in kernels.tolist()]


def test_runs_as_alike_as_two_peas_can_not_be_told_apart(tmp_path):
    scene, _ = program(seed=1, runs=10, profiled=range(3, 6), jitter_us=0)
    timeline = load_bare(scene, tmp_path)
    assert timeline.clocks[0].method is ClockMethod.UNCHECKED
    assert any("two places fit alike" in problem.detail for problem in timeline.problems)


def test_profile_without_an_event_has_no_place(tmp_path):
    whole, folder = DATA / "h100-examples" / "set-providers.ortprobe", tmp_path / "app.ortprobe"
    shutil.copytree(whole, folder)
    (folder / "ort-0.json.gz").write_bytes(b"[]")
    timeline = load_bundle(folder)
    assert len(timeline.runs) == len(load_bundle(whole).runs)
