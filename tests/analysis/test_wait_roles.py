"""What each wait is in the program: real captures, planted cases, and generated programs with their truth."""

from __future__ import annotations

from collections import Counter

import captures
import pytest
from hypothesis import HealthCheck, given, settings
from scene import Scene
from traces.found import origins_of
from traces.history import NOTHING
from traces.origin import What
from traces.program import StreamKind
from traces.reading import read
from traces.strategies import healthy_captures
from traces.written import Written

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.waits.wait_times import WaitRole
from ortprobe.ingest import load_bundle
from ortprobe.timeline import Timeline


def counts(timeline: Timeline) -> Counter[str]:
    return Counter(wait.role.value for wait in Analyses(timeline).waits.rows())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 40 runs were traced, 20 of them without ORT's profile.
        ("missing-wait", {"run-end-legacy": 40, "run-end-own": 40, "session-creation": 10, "profiler": 1}),
        # The program's own stream: nothing to wait for on the legacy one.
        ("healthy", {"run-end-own": 40, "session-creation": 10, "profiler": 1, "program": 79}),
    ],
)
def test_roles_in_programs_on_an_h100(name, expected):
    assert counts(captures.example(name).timeline) == expected


def test_the_copies_of_outputs_that_are_bound_to_the_cpu_are_told_from_the_end_of_the_run():
    found = counts(captures.service())
    assert (found["blocking-copy"], found["run-end-legacy"], found["run-end-own"]) == (30, 30, 30)


def test_a_loop_synchronises_inside_its_node():
    """Its condition is copied to the host in each of four rounds, and waited for once more; 20 runs have a profile."""
    found = counts(load_bundle(captures.DATA / "h100-flow.ortprobe"))
    assert found["in-node"] == 20 * 4 * 2


def run_scene() -> Scene:
    return Scene().hook("run", 0, 200, session=0).launch("k", 10, 15, 20, 1, stream=13)


def sync(scene: Scene, start_us: float, correlation: int, stream: int | None) -> None:
    scene.call("cudaStreamSynchronize", start_us, 5, correlation)
    if stream is not None:
        scene.wait("Stream Sync", start_us, 5, correlation, stream=stream)


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ((7, 13), ["run-end-legacy", "run-end-own"]),
        ((13,), ["run-end-own"]),
        ((13, 7, 13), ["in-run", "run-end-legacy", "run-end-own"]),
        ((13, 13), ["in-run", "run-end-own"]),
        # Without sync records nothing says for which stream: the order of ORT's two does.
        ((None, None), ["run-end-legacy", "run-end-own"]),
    ],
)
def test_the_end_of_a_run_without_profile_is_its_last_synchronisations(tmp_path, streams, expected):
    scene = run_scene()
    for number, stream in enumerate(streams):
        sync(scene, 50 + 10 * number, 2 + number, stream)
    assert [wait.role.value for wait in Analyses(scene.load(tmp_path)).waits.rows()] == expected


def test_a_synchronisation_in_front_of_more_work_is_not_the_end(tmp_path):
    scene = run_scene()
    sync(scene, 50, 2, 13)
    scene.launch("more", 60, 65, 5, 3, stream=13)
    assert [wait.role for wait in Analyses(scene.load(tmp_path)).waits.rows()] == [WaitRole.IN_RUN]


def test_a_wait_without_its_call_has_no_role(tmp_path):
    scene = Scene().launch("k", 0, 10, 30, 1).wait("Context Sync", 20, 25, 99)
    assert [wait.role for wait in Analyses(scene.load(tmp_path)).waits.rows()] == [WaitRole.UNKNOWN]


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(healthy_captures())
def test_ends_of_runs_are_found_and_stalls_are_the_true_ones(capture):
    timeline, written = read(capture, "bundle")
    origins = origins_of(timeline, written)
    found = {}
    for wait in Analyses(timeline).waits.rows():
        origin = origins[wait.span]
        if origin is not None and origin.what is What.HOST_WAIT:
            found[origin.number] = wait
            truth = written.history.host_waits[origin.number]
            # What it adds that the legacy stream orders itself with streams that are not non-blocking is not looked at.
            if not any(each.kind is StreamKind.BLOCKING for each in written.history.program.streams):
                assert wait.stall_ns == truth.stall_ns
    ends = run_ends(written)
    assert {number: found[number].role for number in ends if number in found} == {
        number: role for number, role in ends.items() if number in found
    }


def run_ends(written: Written) -> dict[int, WaitRole]:
    """Number of the wait → its role, of runs that end with ORT's waits."""
    history = written.history
    of_run: dict[int, list[int]] = {}
    for number, wait in enumerate(history.host_waits):
        of_run.setdefault(history.calls[wait.call].run, []).append(number)
    ends = {}
    for run, waits in of_run.items():
        if run == NOTHING:
            continue
        owner = history.program.owners[history.sessions[history.runs[run].session].owner]
        if not (history.runs[run].is_replay or history.program.models[owner.model].ends_with_sync):
            continue
        ends[waits[-1]] = WaitRole.RUN_END_OWN
        own = history.program.streams[owner.stream]
        if own.kind is not StreamKind.LEGACY and any(
            each.kind is StreamKind.LEGACY and each.device == own.device for each in history.program.streams
        ):
            ends[waits[-2]] = WaitRole.RUN_END_LEGACY
    return ends
