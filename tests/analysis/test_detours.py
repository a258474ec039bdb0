from __future__ import annotations

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses


def test_a_detour_is_the_nodes_on_the_cpu_with_their_copies_and_waits(tmp_path):
    scene = Scene().torch_op("aten::add", 0, 2)
    profile = scene.profile()
    for run in range(3):
        at_us, number = 10 + run * 200, 10 * run
        profile.run(at_us, 190).node("conv", at_us + 2, 10)
        scene.launch("k", at_us + 4, at_us + 10, 30, number + 1)
        profile.node("down", at_us + 15, 8, op="MemcpyToHost", index=1)
        scene.call("cudaMemcpyAsync", at_us + 17, 3, number + 2)
        scene.memcpy("Memcpy DtoH (Device -> Pinned)", at_us + 40, 6, number + 2)
        scene.call("cudaEventSynchronize", at_us + 24, 24, number + 3)
        scene.wait("Event Sync", at_us + 24, 24, number + 3, stream=7, waited_stream=7)
        profile.node("cpu", at_us + 50, 40, op="Det", provider="CPUExecutionProvider", index=2)
        profile.node("up", at_us + 95, 7, op="MemcpyFromHost", index=3)
        scene.call("cudaMemcpyAsync", at_us + 97, 3, number + 4)
        scene.memcpy("Memcpy HtoD (Pinned -> Device)", at_us + 102, 5, number + 4)
    (found,) = Analyses(scene.load(tmp_path)).detours
    assert (found.cpu_nodes, found.memcpy_nodes, found.runs) == (1, 2, 2)
    assert (found.cpu_ns, found.memcpy_ns, found.copy_ns) == (40_000, 15_000, 11_000)
    assert (found.wait_ns, found.host_ns) == (24_000, 79_000)


def test_time_of_subgraphs_is_not_that_of_the_node_on_the_cpu_around_them(tmp_path):
    scene = Scene()
    profile = scene.profile().run(0, 100).node("if", 10, 50, op="If", provider="CPUExecutionProvider")
    profile.execute(15, 40).node("conv", 20, 30, index=1)
    (found,) = Analyses(scene.load(tmp_path)).detours
    assert (found.cpu_ns, found.copy_ns, found.wait_ns, found.stall_ns) == (20_000, None, None, None)


def test_sessions_on_the_gpu_or_the_cpu_alone_make_no_detour(tmp_path):
    assert Analyses(captures.resnet()).detours == ()
    scene = Scene()
    scene.profile().run(0, 100).node("a", 10, 20, provider="CPUExecutionProvider")
    assert Analyses(scene.load(tmp_path)).detours == ()


def test_a_recorded_detour():
    (found,) = Analyses(captures.recorded("flow")).detours
    assert (found.cpu_nodes, found.memcpy_nodes) == (1, 3)
    assert found.cpu_ns > 50_000
    assert 0 < found.copy_ns < found.memcpy_ns
