"""What budgets measure, on recordings of an H100 and on scenes with known truth."""

from __future__ import annotations

import captures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.rules.gate.measured import Measured
from ortprobe.rules.gate.metrics import METRICS
from ortprobe.timeline import Site, Timeline

BY_KEY = {metric.key: metric for metric in METRICS}


def measure(key: str, timeline: Timeline) -> Measured:
    return BY_KEY[key].measure(Analyses(timeline))


def workload(name: str) -> Timeline:
    return load_bundle(captures.DATA / "h100-workloads" / f"{name}.ortprobe")


# The model of cpu-nodes has six operators that only the CPU has, each with a copy there and one back.
KNOWN = {
    "cpu_nodes": ("encoder-cpu-nodes", 6),
    "memcpy_nodes": ("encoder-cpu-nodes", 12),
    "syncs_per_run": ("encoder-cpu-nodes", 6),
    "kernels_per_run": ("resnet50-pageable", 234),
    "copies_per_run": ("resnet50-pageable", 2),
    "sessions": ("tiny-threads", 2),
    "re_inits": ("tiny-threads", 0),
    "failed_runs": ("tiny-threads", 0),
    "races": ("tiny-threads", 0),
}


@pytest.mark.parametrize("key", KNOWN)
def test_counts_of_programs_on_an_h100(key):
    name, expected = KNOWN[key]
    assert measure(key, workload(name)).exact == expected


def test_a_re_initialisation_and_its_line():
    found = measure("re_inits", captures.example("set-providers").timeline)
    assert (found.exact, found.where) == (1, (Site(file="ortprobe/examples/set_providers.py", line=51),))


def test_races_are_counted_by_place_and_not_by_run():
    assert measure("races", captures.example("missing-wait").timeline).exact == 2
    assert measure("races", captures.example("healthy").timeline).exact == 0


def test_what_may_be_a_race_is_the_most_there_can_be():
    doubtful = measure("races", load_bundle(captures.DATA / "h200-races" / "record_stream.zip"))
    assert (doubtful.low, doubtful.high) == (0, 1)
    assert doubtful.why


def test_without_hooks_sessions_are_the_least_there_were():
    found = measure("sessions", captures.resnet())
    assert (found.low, found.high) == (2, None)
    inferred = measure("re_inits", captures.resnet())
    assert (inferred.low, inferred.high) == (0, None)


def test_without_a_profile_of_each_session_nodes_are_the_least_there_were():
    found = measure("cpu_nodes", load_bundle(captures.DATA / "h200-races" / "record_stream.zip"))
    assert (found.low, found.high) == (0, None)
    assert "no profile" in found.why


def test_nodes_of_a_session_that_was_built_again_count_once(tmp_path):
    scene = Scene()
    for number in range(2):
        start = 1000 * number
        profile = scene.profile().load(start, 10).initialize(start + 10, 50).run(start + 100, 50)
        profile.node("on_cpu", start + 110, 20, provider="CPUExecutionProvider")
        fields = {} if number == 0 else {"reason": "set_providers", "replaces": 0}
        scene.session(number, start, 70, providers=("CPUExecutionProvider",), **fields)
        scene.hook("run", start + 95, 60, session=number, attached=1)
    assert measure("cpu_nodes", scene.load(tmp_path)).exact == 1


def loop(runs: int, waits: int, *, traced: bool = True) -> Scene:
    """One session whose runs launch two kernels each; after each run the program waits so often."""
    scene, correlation = Scene(window_us=(0, 1000 * (runs + 2))), 0
    scene.session(0, 0, 70, providers=("CUDAExecutionProvider",), inputs=("x",), outputs=("y",))
    for number in range(runs):
        at = 1000 * (number + 1)
        scene.hook("run", at, 300, session=0, attached=2 if traced else 0, site="app.py:7")
        for kernel in range(2):
            correlation += 1
            scene.launch("k", at + 10 + 50 * kernel, at + 20 + 50 * kernel, 20, correlation)
        for wait in range(waits):
            correlation += 1
            scene.hook("torch.synchronize", at + 400 + 20 * wait, 10, site=f"app.py:{20 + wait}")
            scene.call("cudaDeviceSynchronize", at + 401 + 20 * wait, 5, correlation)
            scene.wait("Context Sync", at + 401 + 20 * wait, 5, correlation)
    return scene


@given(runs=st.integers(4, 8), waits=st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_each_wait_of_the_program_belongs_to_the_run_before_it(tmp_path_factory, runs, waits):
    timeline = loop(runs, waits).load(tmp_path_factory.mktemp("loop"))
    found = measure("syncs_per_run", timeline)
    assert found.exact == waits
    assert set(found.where) == {Site(file="app.py", line=20 + wait) for wait in range(waits)}
    assert measure("kernels_per_run", timeline).exact == 2


def test_one_wait_more_in_one_run_shows(tmp_path):
    scene = loop(6, 1)
    scene.call("cudaDeviceSynchronize", 3500, 5, 900).wait("Context Sync", 3500, 5, 900)
    assert measure("syncs_per_run", scene.load(tmp_path)).exact == pytest.approx(1 + 1 / 4)


def test_where_nothing_watched_the_gpu_nobody_knows_how_often_it_was_waited_for(tmp_path):
    found = measure("syncs_per_run", loop(6, 0, traced=False).load(tmp_path))
    assert (found.low, found.high) == (0, None)


def test_a_program_without_a_gpu_waits_for_none(tmp_path):
    scene = Scene().session(0, 0, 70, providers=("CPUExecutionProvider",))
    for number in range(4):
        scene.hook("run", 1000 * (number + 1), 300, session=0)
    timeline = scene.load(tmp_path)
    assert measure("syncs_per_run", timeline).exact == 0
    assert measure("races", timeline).exact == 0


def hooked_runs(count: int, *, attached: int = 0, dur_us: int = 100) -> Scene:
    scene = Scene().session(0, 0, 70, providers=("CPUExecutionProvider",))
    for number in range(count):
        scene.hook("run", 1000 * (number + 1), dur_us, session=0, attached=attached)
    return scene


def test_latencies_are_those_of_untraced_runs(tmp_path):
    scene = hooked_runs(101)
    for number in range(3):
        scene.hook("run", 200_000 + 1000 * number, 500, session=0, attached=3)
    timeline = scene.load(tmp_path)
    for key in ("median", "p90", "p95", "p99", "first_run"):
        assert measure(key, timeline).exact == 100_000


def test_a_traced_latency_is_the_most_it_can_be(tmp_path):
    found = measure("median", hooked_runs(5, attached=3).load(tmp_path))
    assert (found.low, found.high) == (0, 100_000)
    assert "without a profiler" in found.why


def test_a_percentile_of_too_few_runs_is_not_known(tmp_path):
    found = measure("p99", hooked_runs(50).load(tmp_path))
    assert (found.low, found.high) == (0, None)


def test_a_traced_first_run_is_no_shorter_than_tracing_explains():
    found = measure("first_run", captures.example("set-providers").timeline)
    assert found.high == pytest.approx(263e6, rel=0.01)
    assert 100e6 < found.low < found.high


def test_idle_time_is_bounded_by_what_tracing_added_to_it():
    found = measure("idle_share", captures.example("healthy").timeline)
    assert 0.8 < found.low < found.high < 0.9
    assert found.names == ("GPU 0",)


def test_time_on_the_gpu():
    assert measure("gpu_time", captures.resnet()).exact == pytest.approx(1.79e6, rel=0.01)
    assert measure("gpu_time", captures.example("healthy").timeline).exact == 343_911


def test_a_capture_without_device_work_has_no_idle_share(tmp_path):
    assert measure("idle_share", hooked_runs(5).load(tmp_path)).high is None


@pytest.mark.parametrize(
    "capture", [captures.resnet, captures.racy, captures.service], ids=["resnet", "racy", "service"]
)
def test_bounds_hold_for_every_figure_of_a_real_capture(capture):
    for metric in METRICS:
        found = metric.measure(Analyses(capture()))
        assert found.high is None or 0 <= found.low <= found.high, metric.key
        assert bool(found.why) == (found.exact is None), metric.key
