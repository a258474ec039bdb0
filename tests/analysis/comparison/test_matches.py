"""Sessions and nodes are found again, though they were re-created, moved, renamed or fused."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import ran
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.node_matches import NodeMatch, match_nodes
from ortprobe.analysis.comparison.session_matches import SessionMatch, match_sessions, sessions_of_side
from ortprobe.ingest import load_files


def program(folder: Path, *models: str) -> Analyses:
    """Sessions of these models, one after another, each with two runs."""
    scene = Scene()
    for number, model in enumerate(models):
        scene.session(number, 1000 * number, 5, model_path=model, owner=number)
        for run in range(2):
            scene.hook("run", 1000 * number + 100 + 100 * run, 50, session=number)
    return Analyses(scene.load(folder))


def matched(before: Analyses, after: Analyses) -> list[tuple[SessionMatch, str, str]]:
    return [
        (each.match, each.before.model if each.before else "", each.after.model if each.after else "")
        for each in match_sessions([before], [after])
    ]


def test_sessions_find_one_another_by_the_name_of_their_model(tmp_path):
    before = program(tmp_path / "1", "old/encoder.onnx", "old/decoder.onnx")
    after = program(tmp_path / "2", "new/decoder.onnx", "new/encoder.onnx")
    assert matched(before, after) == [
        (SessionMatch.NAME, "old/encoder.onnx", "new/encoder.onnx"),
        (SessionMatch.NAME, "old/decoder.onnx", "new/decoder.onnx"),
    ]


def test_what_is_left_finds_itself_by_order_if_as_many_are_left(tmp_path):
    before = program(tmp_path / "1", "a.onnx", "v1.onnx")
    assert matched(before, program(tmp_path / "2", "a.onnx", "v2.onnx"))[1] == (
        SessionMatch.ORDER, "v1.onnx", "v2.onnx",
    )  # fmt: skip
    assert [each[0] for each in matched(before, program(tmp_path / "3", "a.onnx", "b.onnx", "c.onnx"))] == [
        SessionMatch.NAME, SessionMatch.ONLY_BEFORE, SessionMatch.ONLY_AFTER, SessionMatch.ONLY_AFTER,
    ]  # fmt: skip


def test_a_session_that_was_built_again_is_one_session(tmp_path):
    scene = Scene().session(0, 0, 5, model_path="m.onnx")
    scene.session(1, 1000, 5, model_path="m.onnx", reason="set_providers", replaces=0)
    scene.hook("run", 100, 50, session=0).hook("run", 1100, 50, session=1)
    (session,) = sessions_of_side([Analyses(scene.load(tmp_path))])
    assert session.sessions == ((0, 1),)


def test_a_session_for_each_request_is_one_session(tmp_path):
    scene = Scene()
    for number in range(3):
        scene.session(number, 1000 * number, 5, model_path="m.onnx", owner=number)
        scene.hook("run", 1000 * number + 100, 50, session=number).release(number, 1000 * number + 200)
    (session,) = sessions_of_side([Analyses(scene.load(tmp_path))])
    assert session.sessions == ((0, 1, 2),)


def test_repeats_have_the_same_sessions(tmp_path):
    side = [program(tmp_path / name, "a.onnx", "b.onnx") for name in ("1", "2", "3")]
    assert [each.sessions for each in sessions_of_side(side)] == [((0,), (0,), (0,)), ((1,), (1,), (1,))]


def convolutions(level: str) -> Analyses:
    run = ran("convolutions", level)
    return Analyses(load_files(ort=[run.profile], models=[run.model]))


def test_what_ort_fused_is_found_by_what_it_was_in_the_model():
    before, after = convolutions("off"), convolutions("all")
    (session,) = match_sessions([before], [after])
    pairs = match_nodes([before], [after], session)
    fused = [pair for pair in pairs if pair.match is NodeMatch.ORIGIN and len(pair.before) > len(pair.after)]
    assert fused
    for pair in fused:
        assert set().union(*(node.origins for node in pair.before)) == set().union(*(n.origins for n in pair.after))


def names_of(names: list[str], folder: Path) -> Analyses:
    scene = Scene()
    profile = scene.profile().run(5, 10 + 20 * len(names))
    for row, name in enumerate(names):
        profile.node(name, 10 + 20 * row, 10, index=row, op=name[0])
    return Analyses(scene.load(folder))


_NAMES = st.lists(st.sampled_from(["A1", "A2", "A3", "B1", "B2", "C1"]), unique=True, max_size=6)


@settings(max_examples=40, deadline=None)
@given(old=_NAMES, new=_NAMES)
def test_every_node_is_in_exactly_one_pair(old, new, tmp_path_factory):
    before, after = (names_of(names, tmp_path_factory.mktemp("side")) for names in (old, new))
    sessions = match_sessions([before], [after])
    if len(sessions) != 1:
        return
    pairs = match_nodes([before], [after], sessions[0])
    flat = [
        sorted(node.name for nodes in side for node in nodes)
        for side in ([pair.before for pair in pairs], [pair.after for pair in pairs])
    ]
    assert flat == [sorted(old), sorted(new)]
    by_name = {pair.name for pair in pairs if pair.match is NodeMatch.NAME}
    assert by_name == set(old) & set(new)
    for pair in pairs:
        assert {node.op_type for node in pair.before} == {node.op_type for node in pair.after} or not (
            pair.before and pair.after
        )
