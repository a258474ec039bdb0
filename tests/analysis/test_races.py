"""The order of writes and runs in captures: planted races, healthy controls, and orders that can't be seen."""

from __future__ import annotations

import json
from pathlib import Path

import captures
import msgspec
import pytest
from scene import Profile, Scene, at_ns

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import Verdict
from ortprobe.bundle import Window
from ortprobe.ingest import load_bundle
from ortprobe.rules import missing_wait_before_run
from ortprobe.rules.finding import Finding, NotApplicable, Passed
from ortprobe.rules.races import is_input_before_run

INPUT, SIZE = 0x7000, 4096
TORCH_STREAM, ORT_STREAM = 7, 29


def program(copy_end_us: float, *, copy_to: int = INPUT, run_stream: int = ORT_STREAM) -> Scene:
    """`copy_` launched at 120 on torch's stream, then a run whose first kernel starts at 200 on the device."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",))
    scene.hook("io_binding", 60, 1, session=0, binding=0)
    scene.hook("bind_input", 70, 1, binding=0, buffer="x", read_address=INPUT, read_bytes=SIZE)
    scene.hook("copy_", 110, 20, write_address=copy_to, write_bytes=SIZE, site="app.py:7")
    scene.call("cudaMemcpyAsync", 120, 2, 1).memcpy("Memcpy DtoD", copy_end_us - 10, 10, 1, stream=TORCH_STREAM)
    scene.hook("run_with_iobinding", 150, 200, session=0, binding=0, attached=2, site="app.py:8")
    scene.launch("conv", 190, 200, 20, 50, stream=run_stream)
    scene.call("cudaStreamSynchronize", 320, 10, 60).wait("Stream Sync", 320, 10, 60, stream=run_stream)
    return scene


def judge(scene: Scene, tmp_path):
    analyses = Analyses(scene.load(tmp_path))
    inputs = [pair.verdict for pair in analyses.races.pairs if is_input_before_run(pair)]
    return inputs, missing_wait_before_run.check(analyses)


def test_a_run_that_begins_before_its_input_is_written_is_an_error_at_the_line_of_the_run(tmp_path):
    orders, outcome = judge(program(copy_end_us=300), tmp_path)
    assert orders == [Verdict.RACE]
    assert isinstance(outcome, Finding)
    assert outcome.severity == "error"
    assert [(site.file, site.line) for site in outcome.where] == [("app.py", 8), ("app.py", 7)]


def test_no_wait_and_good_luck_is_a_race_that_came_out_right(tmp_path):
    orders, outcome = judge(program(copy_end_us=150), tmp_path)
    assert orders == [Verdict.RACE]
    assert isinstance(outcome, Finding)
    assert outcome.severity == "warning"
    assert "50.0 µs to spare" in outcome.detail


ORDERED = {
    "host waits for the stream": lambda scene: scene.call("cudaStreamSynchronize", 135, 20, 5).wait(
        "Stream Sync", 135, 20, 5, stream=TORCH_STREAM
    ),
    "host waits for the device": lambda scene: scene.call("cudaDeviceSynchronize", 135, 20, 5),
    "host waits for the write's device, of two": lambda scene: (
        scene.call("cudaDeviceSynchronize", 135, 20, 5)
        .wait("Context Sync", 135, 20, 5)
        .launch("elsewhere", 10, 15, 5, 4, device=1)
    ),
    "host waits for the event": lambda scene: (
        scene.call("cudaEventRecord", 135, 1, 5)
        .call("cudaEventSynchronize", 137, 18, 6)
        .wait("Event Sync", 137, 18, 6, waited_stream=TORCH_STREAM, record=5)
    ),
    "run's stream waits for the write's": lambda scene: (
        scene.call("cudaEventRecord", 135, 1, 5)
        .call("cudaStreamWaitEvent", 137, 1, 6)
        .wait("Stream Wait Event", 137, 1, 6, stream=ORT_STREAM, waited_stream=TORCH_STREAM, record=5)
    ),
}


@pytest.mark.parametrize("how", ORDERED)
def test_an_order_that_is_seen_passes(tmp_path, how):
    scene = program(copy_end_us=150)
    ORDERED[how](scene)
    orders, outcome = judge(scene, tmp_path)
    assert orders == [Verdict.OK]
    assert outcome == Passed()


def test_one_stream_is_an_order(tmp_path):
    orders, outcome = judge(program(copy_end_us=150, run_stream=TORCH_STREAM), tmp_path)
    assert orders == [Verdict.OK]
    assert outcome == Passed()


WRONG = {
    "host waits for another device": lambda scene: (
        scene.call("cudaDeviceSynchronize", 135, 20, 5)
        .wait("Context Sync", 135, 20, 5, device=1)
        .launch("elsewhere", 10, 15, 5, 4, device=1)
    ),
    "a stream of another device waits": lambda scene: scene.wait(
        "Stream Wait Event", 137, 1, 6, stream=ORT_STREAM, waited_stream=TORCH_STREAM, record=5, device=1
    ),
    "event recorded before the write": lambda scene: (
        scene.call("cudaEventRecord", 115, 1, 90)
        .call("cudaStreamWaitEvent", 137, 1, 6)
        .wait("Stream Wait Event", 137, 1, 6, stream=ORT_STREAM, waited_stream=TORCH_STREAM, record=90)
    ),
    "another stream waits": lambda scene: (
        scene.call("cudaEventRecord", 135, 1, 5)
        .call("cudaStreamWaitEvent", 137, 1, 6)
        .wait("Stream Wait Event", 137, 1, 6, stream=33, waited_stream=TORCH_STREAM, record=5)
    ),
    "the stream waits for itself": lambda scene: (
        scene.call("cudaEventRecord", 135, 1, 5)
        .call("cudaStreamWaitEvent", 137, 1, 6)
        .wait("Stream Wait Event", 137, 1, 6, stream=ORT_STREAM, waited_stream=ORT_STREAM, record=5)
    ),
    "host waits before the write": lambda scene: scene.call("cudaDeviceSynchronize", 100, 5, 90),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wait_that_orders_something_else_is_no_order(tmp_path, how):
    scene = program(copy_end_us=150)
    WRONG[how](scene)
    orders, _ = judge(scene, tmp_path)
    assert orders == [Verdict.RACE]


def test_whether_a_query_was_answered_is_not_known(tmp_path):
    scene = program(copy_end_us=150)
    scene.call("cudaEventRecord", 135, 1, 5).call("cudaEventQuery", 137, 1, 6)
    scene.wait("Event Sync", 137, 1, 6, waited_stream=TORCH_STREAM, record=5)
    orders, outcome = judge(scene, tmp_path)
    assert orders == [Verdict.UNVERIFIABLE]
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_without_records_of_waits_nothing_is_said(tmp_path):
    scene = program(copy_end_us=300)
    scene.rows = [row for row in scene.rows if "cuda_sync" not in str(row)]
    orders, outcome = judge(scene, tmp_path)
    assert orders == [Verdict.UNVERIFIABLE]
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_inputs_that_were_unbound_are_none_of_the_runs_business(tmp_path):
    scene = program(copy_end_us=300).hook("clear_binding_inputs", 80, 1, binding=0)
    assert judge(scene, tmp_path)[0] == []


def test_each_write_counts_for_its_part_and_one_that_raised_does_not(tmp_path):
    scene = program(copy_end_us=150).hook("copy_", 135, 10, write_address=INPUT, write_bytes=8, error="RuntimeError")
    scene.call("cudaMemcpyAsync", 137, 2, 2).memcpy("Memcpy DtoD", 290, 10, 2, stream=TORCH_STREAM)
    assert judge(scene, tmp_path / "raised")[0] == [Verdict.RACE]
    scene.hook("copy_", 136, 5, write_address=INPUT + 100, write_bytes=8)
    assert judge(scene, tmp_path / "again")[0] == [Verdict.RACE, Verdict.RACE]


def test_what_the_run_copies_from_the_host_reads_no_device_input(tmp_path):
    """An ordered program: ORT copies another input from the host at once, and its kernels wait for the write."""
    scene = program(copy_end_us=195)
    scene.call("cudaMemcpyAsync", 155, 2, 40).memcpy("Memcpy HtoD (Pageable -> Device)", 160, 5, 40, stream=33)
    scene.call("cudaEventRecord", 135, 1, 5).call("cudaStreamWaitEvent", 137, 1, 6)
    scene.wait("Stream Wait Event", 137, 1, 6, stream=ORT_STREAM, waited_stream=TORCH_STREAM, record=5)
    orders, outcome = judge(scene, tmp_path)
    assert orders == [Verdict.OK]
    assert outcome == Passed()


def test_kernels_of_one_stream_may_overlap_and_are_ordered(tmp_path):
    """Programmatic dependent launch starts a kernel while the one before it on the stream is ending."""
    orders, outcome = judge(program(copy_end_us=202, run_stream=TORCH_STREAM), tmp_path)
    assert orders == [Verdict.OK]
    assert outcome == Passed()


def test_a_late_write_to_another_buffer_is_none_of_the_runs_business(tmp_path):
    orders, outcome = judge(program(copy_end_us=300, copy_to=INPUT + SIZE), tmp_path)
    assert orders == []
    assert isinstance(outcome, NotApplicable)


def in_two_windows(bundle: Path, cut_us: float) -> Path:
    """The same capture as if torch's profiler had been detached in between: nobody saw what happened there."""
    whole = json.loads((bundle / "torch-0.json").read_text())
    rows = whole["traceEvents"]
    cut = at_ns(cut_us) - whole["baseTimeNanoseconds"]
    for number, chosen in enumerate(
        [row for row in rows if (row["ts"] * 1000 < cut) == early] for early in (True, False)
    ):
        (bundle / f"torch-{number}.json").write_text(json.dumps({**whole, "traceEvents": chosen}))
    with (bundle / "hooks.jsonl").open("ab") as log:
        log.write(msgspec.json.encode(Window(start_ns=at_ns(cut_us), end_ns=at_ns(400), file="torch-1.json")) + b"\n")
    return bundle


def test_what_lies_in_two_windows_is_no_pair(tmp_path):
    """The program may have waited between the two, where no trace shows it."""
    bundle = program(copy_end_us=150).write_bundle(tmp_path / "scene.ortprobe")
    assert [pair.verdict for pair in Analyses(load_bundle(bundle)).races.pairs] == [Verdict.RACE]
    analyses = Analyses(load_bundle(in_two_windows(bundle, 160)))
    assert analyses.races.accesses == 2
    assert analyses.races.pairs == ()


def test_a_copy_whose_work_was_not_recorded_is_no_access_of_the_thread(tmp_path):
    """Where it ran is not in the trace. A copy from host to host is the thread's own."""
    scene = program(copy_end_us=150, run_stream=TORCH_STREAM)
    scene.hook("bind_output", 80, 1, binding=0, buffer="y", write_address=2 * INPUT, write_bytes=SIZE, device="cuda")
    scene.hook("bind_cpu_input", 82, 1, binding=0, buffer="h", read_address=4 * INPUT, read_bytes=SIZE)
    scene.hook("cpu", 360, 5, read_address=2 * INPUT, read_bytes=SIZE, device="cpu", stream=0)
    accesses = Analyses(scene.load(tmp_path / "gpu")).races.accesses
    assert accesses == 4, "the copy; what the run reads on the device and on the host, and what it writes"
    scene.hook("copy_", 370, 5, write_address=4 * INPUT, write_bytes=SIZE, device="cpu")
    assert Analyses(scene.load(tmp_path / "host")).races.accesses == accesses + 1


def unhooked(*, waits: bool, torch_stream: int = TORCH_STREAM, records: bool = True) -> Scene:
    """Three rounds of a bare trace and profile: torch's kernel, a wait of the run's stream for it, a run."""
    scene, profile = Scene(), Profile().load(0, 20).initialize(20, 30)
    scene.profiles.append(profile)
    for number in range(3):
        at, ids = 100 + 400 * number, 10 * number + 1
        scene.launch("write", at, at + 5, 100, ids, stream=torch_stream)
        if waits:
            scene.call("cudaEventRecord", at + 5, 1, ids + 1).call("cudaStreamWaitEvent", at + 7, 1, ids + 2)
        if waits and records:
            scene.wait(
                "Stream Wait Event", at + 7, 1, ids + 2, stream=ORT_STREAM, waited_stream=torch_stream, record=ids + 1
            )  # fmt: skip
        profile.run(at + 10, 250)
        scene.launch("conv", at + 20, at + 110, 50, ids + 3, stream=ORT_STREAM)
        scene.call("cudaStreamSynchronize", at + 40, 200, ids + 4)
        scene.wait("Stream Sync", at + 40, 200, ids + 4, stream=ORT_STREAM)
    return scene


def test_without_hooks_runs_that_wait_for_all_of_torchs_work_before_them_pass(tmp_path):
    orders, outcome = judge(unhooked(waits=True), tmp_path)
    assert set(orders) == {Verdict.OK}
    assert outcome == Passed()


def test_without_hooks_one_stream_is_an_order(tmp_path):
    orders, outcome = judge(unhooked(waits=False, torch_stream=ORT_STREAM), tmp_path)
    assert set(orders) == {Verdict.OK}
    assert outcome == Passed()


def test_without_hooks_nothing_is_a_race_since_nobody_knows_who_touches_what(tmp_path):
    orders, outcome = judge(unhooked(waits=False), tmp_path)
    assert orders == [Verdict.UNVERIFIABLE] * 3
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
    assert "3 because nothing orders them, and whether they touch the same memory is not known" in outcome.why


def test_without_hooks_a_wait_that_says_nothing_settles_nothing(tmp_path):
    orders, outcome = judge(unhooked(waits=True, records=False), tmp_path)
    assert set(orders) == {Verdict.UNVERIFIABLE}
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


@pytest.mark.parametrize(("capture", "passes"), [(captures.healthy, True), (captures.racy, False)])
def test_bare_recordings_pass_where_every_run_waited_and_abstain_where_none_did(capture, passes):
    analyses = Analyses(capture())
    outcome = missing_wait_before_run.check(analyses)
    if passes:
        assert outcome == Passed()
    else:
        assert "6 of 12 pairs" in outcome.why
    assert not analyses.races.of_verdict(Verdict.RACE)
    assert not analyses.races.of_verdict(Verdict.FRAGILE)
