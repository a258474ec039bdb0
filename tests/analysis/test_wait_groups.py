from __future__ import annotations

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.waits.wait_groups import WaitGroup
from ortprobe.analysis.waits.wait_times import NEEDS, NOT_NEEDED, Need, WaitRole
from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE, Site

CAPTURES = {
    "healthy": captures.healthy,
    "resnet": captures.resnet,
    "service": captures.service,
    "set-providers": lambda: captures.example("set-providers").timeline,
    "flow": lambda: load_bundle(captures.DATA / "h100-flow.ortprobe"),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_groups_hold_every_wait_once(name):
    analyses = Analyses(CAPTURES[name]())
    waits, groups = analyses.waits, analyses.wait_groups
    resolved = waits.stall_ns != NONE
    assert sum(group.count for group in groups) == len(waits)
    assert sum(group.unresolved for group in groups) == waits.unresolved
    assert sum(group.stall_ns or 0 for group in groups) == waits.stall_ns[resolved].sum()
    assert sum(group.call_ns for group in groups) == (waits.end_ns - waits.start_ns).sum()
    needless = [NEEDS[need] in NOT_NEEDED for need in waits.need.tolist()]
    assert sum(group.not_needed_ns or 0 for group in groups) == waits.stall_ns[resolved & needless].sum()
    for need in Need:
        assert sum(group.needs.get(need, 0) for group in groups) == (waits.need == NEEDS.index(need)).sum()
    stalls = [group.stall_ns or 0 for group in groups]
    assert stalls == sorted(stalls, reverse=True)


def sync(scene: Scene, start_us: float, dur_us: float, correlation: int) -> Scene:
    scene.call("cudaStreamSynchronize", start_us, dur_us, correlation)
    return scene.wait("Stream Sync", start_us, dur_us, correlation, stream=7)


def groups(scene: Scene, folder) -> tuple[WaitGroup, ...]:
    return Analyses(scene.load(folder)).wait_groups


def test_a_group_has_the_line_of_the_call_around_it(tmp_path):
    scene = Scene()
    for number in range(3):
        at_us = 200 * number
        scene.launch("k", at_us, at_us + 10, 50, 4 * number + 1)
        scene.hook("synchronize", at_us + 15, 60, site="app.py:12")
        sync(scene, at_us + 20, 45, 4 * number + 2)
    scene.hook("synchronize", 600, 60, site="app.py:20")
    sync(scene, 610, 5, 20)
    first, second = groups(scene, tmp_path)
    assert (first.site, first.count, first.stall_ns, first.call_ns) == (
        Site(file="app.py", line=12),
        3,
        120_000,
        135_000,
    )
    assert (second.site, second.count, second.stall_ns) == (Site(file="app.py", line=20), 1, 0)
    assert second.needs == {Need.ALREADY_DONE: 1}


def test_waits_of_a_run_have_the_line_of_the_run(tmp_path):
    scene = Scene().hook("run", 0, 100, session=0, site="app.py:3").launch("k", 5, 10, 30, 1)
    (group,) = groups(sync(scene, 20, 25, 2), tmp_path)
    assert (group.site, group.role) == (Site(file="app.py", line=3), WaitRole.RUN_END_OWN)


def test_stalls_that_nobody_measured_are_none(tmp_path):
    scene = Scene().launch("k", 0, 10, 20, 1).call("cudaStreamSynchronize", 12, 20, 2)
    (group,) = groups(scene, tmp_path)
    assert (group.count, group.unresolved, group.stall_ns, group.not_needed_ns) == (1, 1, None, None)
    assert (group.call_ns, group.site) == (20_000, None)
