"""Captures with one planted difference: it is found, named, and adds up; without one, nothing is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import captures
import pytest
from planted_loops import Loop

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.accounts import Account, PartKind
from ortprobe.analysis.comparison.comparison import Comparison, compare
from ortprobe.analysis.comparison.node_matches import NodeMatch
from ortprobe.analysis.comparison.run_changes import Measure
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.session_matches import SessionMatch
from ortprobe.analysis.comparison.surroundings import Surrounding
from ortprobe.analysis.comparison.verdict import Outcome, Reason, gate_of
from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.trust.claims import Claim
from ortprobe.ingest import load_bundle
from ortprobe.timeline import Capture


def sides(folder: Path, before: Loop, after: Loop, repeats: int = 1) -> tuple[list[Analyses], list[Analyses]]:
    """Captures of both, each with noise of its own."""
    return tuple(
        [replace(loop, seed=10 * number + row).analyses(folder / f"{number}-{row}.ortprobe") for row in range(repeats)]
        for number, loop in enumerate((before, after))
    )  # type: ignore[return-value]


def compared(folder: Path, before: Loop, after: Loop, repeats: int = 1) -> Comparison:
    found = compare(*sides(folder, before, after, repeats))
    for session in found.sessions:
        for account in filter(None, (session.account, session.pace_account)):
            assert_adds_up(account)
    return found


def assert_adds_up(account: Account) -> None:
    assert sum(part.before_ns for part in account.parts) == account.before_ns
    assert sum(part.after_ns for part in account.parts) == account.after_ns
    assert sum(part.more_ns for part in account.parts) + account.beside_ns == account.stated_ns


def only(comparison: Comparison) -> SessionChange:
    (session,) = comparison.sessions
    return session


def with_capture(analyses: Analyses, **changes: object) -> Analyses:
    """The same with another capture's facts."""
    capture: Capture = replace(analyses.timeline.capture, **changes)  # type: ignore[arg-type]
    return Analyses(replace(analyses.timeline, capture=capture))


def test_nothing_was_changed(tmp_path):
    found = compared(tmp_path, Loop(), Loop(), repeats=2)
    assert found.verdict.outcome is Outcome.SAME
    assert found.verdict.within < 0.05
    account = only(found).account
    assert account is not None
    assert not any(part.more_ns for part in account.parts)


def test_a_node_that_takes_longer_on_the_gpu(tmp_path):
    found = compared(tmp_path, Loop(), Loop(node_us={"b": 140}))
    assert found.verdict.outcome is Outcome.SLOWER
    session = only(found)
    account = session.account
    assert account is not None
    largest = account.parts[0]
    assert (largest.part.kind, account.name_of(largest.part), largest.more_ns) == (PartKind.DEVICE, "b", 40_000)
    assert [part.more_ns for part in account.parts[1:]] == [0] * (len(account.parts) - 1)
    node = session.nodes[0]
    assert (node.pair.name, node.pair.match, node.more_ns) == ("b", NodeMatch.NAME, 40_000)
    assert node.change is not None
    assert node.change.low > 1.25
    kernel = found.kernels[0]
    assert (kernel.name, kernel.after_ns - kernel.before_ns, kernel.before_count) == ("k_b", 40_000, 1)


def test_the_way_back_is_faster_by_the_same(tmp_path):
    found = compared(tmp_path, Loop(node_us={"b": 140}), Loop())
    assert found.verdict.outcome is Outcome.FASTER
    account = only(found).account
    assert account is not None
    assert account.parts[0].more_ns == -40_000


def test_host_code_before_the_first_launch(tmp_path):
    found = compared(tmp_path, Loop(), Loop(host_us=50))
    account = only(found).account
    assert account is not None
    largest = account.parts[0]
    assert (largest.part.kind, largest.part.cause) == (PartKind.IDLE, IdleCause.ORT_HOST)
    assert largest.more_ns == 50_000


def test_time_between_runs_is_the_pace_and_not_the_latency(tmp_path):
    found = compared(tmp_path, Loop(), Loop(between_us=100))
    session = only(found)
    assert (found.verdict.outcome, session.by) == (Outcome.SLOWER, Measure.PERIOD)
    latency = session.measured(Measure.MEDIAN)
    assert latency is not None
    assert latency.verdict.outcome is Outcome.SAME
    account = session.pace_account
    assert account is not None
    largest = account.parts[0]
    assert (largest.part.kind, largest.part.cause) == (PartKind.IDLE, IdleCause.PYTHON)
    assert largest.more_ns == 100_000


def test_what_only_untraced_runs_take_longer_is_named_as_not_explained(tmp_path):
    found = compared(tmp_path, Loop(), Loop(untraced_us=40))
    account = only(found).account
    assert account is not None
    assert account.more_ns == 0
    assert account.beside_ns == account.stated_ns == pytest.approx(40_000, abs=4_000)


def test_a_node_more(tmp_path):
    found = compared(tmp_path, Loop(), Loop(nodes=("a", "new", "b")))
    session = only(found)
    fresh = [each for each in session.nodes if each.pair.match is NodeMatch.ONLY_AFTER]
    assert [(each.pair.name, each.before_ns, each.after_ns) for each in fresh] == [("new", 0, 100_000)]
    assert session.account is not None
    assert session.account.name_of(session.account.parts[0].part) == "new"


def test_a_renamed_node_is_found_by_its_place(tmp_path):
    found = compared(
        tmp_path, Loop(nodes=("a", "b", "c")), Loop(nodes=("a", "b_token_7", "c"), node_us={"b_token_7": 200})
    )
    (moved,) = (each for each in only(found).nodes if each.pair.match is NodeMatch.POSITION)
    assert [node.name for node in (*moved.pair.before, *moved.pair.after)] == ["b", "b_token_7"]
    assert moved.more_ns == 100_000


def test_a_change_below_the_gate_is_the_same(tmp_path):
    before, after = sides(tmp_path, Loop(), Loop(node_us={"b": 108}), repeats=3)
    assert compare(before, after).verdict.outcome is Outcome.SLOWER
    found = compare(before, after, gate_of(0.10)).verdict
    assert found.outcome is Outcome.SAME
    assert 0.02 < found.within < 0.10


def test_runs_that_vary_too_much_tell_nothing(tmp_path):
    found = compared(tmp_path, Loop(noise=0.6), Loop(noise=0.6))
    assert found.verdict.outcome is Outcome.CANT_TELL
    assert found.verdict.reasons == (Reason.TOO_WIDE,)


def test_too_few_runs_tell_nothing(tmp_path):
    before, after = sides(tmp_path, Loop(runs=5), Loop(runs=5, node_us={"b": 200}))
    found = compare(before, after).verdict
    assert (found.outcome, found.reasons) == (Outcome.CANT_TELL, (Reason.TOO_FEW_RUNS,))


def test_repeats_make_up_for_few_runs(tmp_path):
    before, after = sides(tmp_path, Loop(runs=5), Loop(runs=5, node_us={"b": 200}), repeats=3)
    assert compare(before, after).verdict.outcome is Outcome.SLOWER


def test_other_hardware_tells_nothing(tmp_path):
    before, after = sides(tmp_path, Loop(), Loop(node_us={"b": 300}))
    old, new = (with_capture(side[0], devices=(name,)) for side, name in ((before, "H100"), (after, "H200")))
    found = compare([old], [new])
    assert (found.verdict.outcome, found.verdict.reasons) == (Outcome.CANT_TELL, (Reason.OTHER_HARDWARE,))
    assert found.verdict.details == ("GPU: H100 before, H200 after",)
    assert only(found).verdict.outcome is Outcome.SLOWER, "what was measured is still there"


def test_other_versions_are_said_and_compared(tmp_path):
    before, after = sides(tmp_path, Loop(), Loop(node_us={"b": 300}))
    old, new = (with_capture(side[0], versions={"onnxruntime": each}) for side, each in ((before, "1"), (after, "2")))
    found = compare([old], [new])
    assert found.verdict.outcome is Outcome.SLOWER
    (difference,) = found.surroundings
    assert (difference.kind, difference.name) == (Surrounding.VERSION, "onnxruntime")
    assert (difference.before, difference.after) == (("1",), ("2",))


def test_hardware_that_one_side_does_not_state_is_no_other_hardware(tmp_path):
    before, after = sides(tmp_path, Loop(), Loop())
    found = compare([with_capture(before[0], cpu="Xeon", cpu_count=0)], after)
    assert not found.surroundings


def test_a_capture_that_is_not_to_be_trusted_tells_nothing(tmp_path):
    before, after = sides(tmp_path, Loop(), Loop(node_us={"b": 300}))
    bundle = tmp_path / "1-0.ortprobe"
    trace = bundle / "torch-0.json"
    trace.write_bytes(trace.read_bytes()[:-400])
    found = compare(before, [Analyses(load_bundle(bundle))])
    assert (found.verdict.outcome, found.verdict.reasons) == (Outcome.CANT_TELL, (Reason.UNDERMINED,))
    assert found.verdict.details[0].startswith("after: ")
    assert Claim.GPU_TIME in found.unsayable
    assert not found.kernels
    assert compare(after, after).verdict.outcome is Outcome.SAME


def test_the_same_content_is_the_same_model_whatever_it_is_called(tmp_path):
    before, after = sides(tmp_path, Loop(), Loop(model="other.onnx"))
    old, new = (
        with_capture(side[0], model_hashes={name: "1f" * 32})
        for side, name in ((before, "model.onnx"), (after, "other.onnx"))
    )
    assert only(compare([old], [new])).session.match is SessionMatch.CONTENT


def test_a_session_that_one_side_alone_has(tmp_path):
    both = sides(tmp_path, Loop(), Loop(model="other.onnx"))
    assert only(compare(*both)).session.match is SessionMatch.ORDER
    with pytest.raises(ValueError, match="no capture"):
        compare([], both[1])


HEALTHY = "h100-examples/healthy"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HEALTHY, "h100-examples/missing-wait"),
        ("h100-examples/set-providers", HEALTHY),
        (HEALTHY, "h100-flow"),
        ("h100-flow", "h100-graph"),
        ("h100-service", "h100-service"),
    ],
)
def test_accounts_of_recordings_add_up(before, after):
    old, new = (Analyses(load_bundle(captures.DATA / f"{name}.ortprobe")) for name in (before, after))
    found = compare([old], [new])
    accounts = [each for session in found.sessions for each in (session.account, session.pace_account) if each]
    assert accounts
    for account in accounts:
        assert_adds_up(account)


@pytest.mark.parametrize("name", ["h100-examples/healthy", "h100-flow"])
def test_a_recording_against_itself_is_the_same(name):
    analyses = Analyses(load_bundle(captures.DATA / f"{name}.ortprobe"))
    found = compare([analyses], [analyses])
    assert found.verdict.outcome in (Outcome.SAME, Outcome.CANT_TELL)
    session = only(found)
    assert session.session.match in (SessionMatch.NAME, SessionMatch.CONTENT)
    assert {each.pair.match for each in session.nodes} == {NodeMatch.NAME}
    assert not any(each.more_ns for each in session.nodes)
    assert session.median_runs is not None
    assert session.median_runs[0] == session.median_runs[1]
