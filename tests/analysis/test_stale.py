from __future__ import annotations

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.stale import HeldBy, StaleSession, compute_stale


def stale(scene: Scene, folder) -> tuple[StaleSession, ...] | None:
    return Analyses(scene.load(folder)).sessions.stale


def replaced() -> Scene:
    scene = Scene().session(0, 0, 100).hook("run", 200, 10, session=0)
    return scene.session(1, 1000, 300, reason="set_providers", replaces=0).hook("run", 2000, 10, session=1)


def test_a_replaced_session_without_a_binding_is_gone(tmp_path):
    assert stale(replaced(), tmp_path) == ()


def test_a_binding_that_may_be_there_still(tmp_path):
    (found,) = stale(replaced().hook("io_binding", 150, 1, session=0, binding=0), tmp_path)
    assert (found.session, found.held_by, found.held_ns) == (0, HeldBy.PERHAPS_BINDING, None)
    assert (found.memory.weight_bytes, found.memory.arena_bytes) == (None, None)


def test_a_binding_that_is_used_after_the_session_was_replaced(tmp_path):
    scene = replaced().hook("io_binding", 150, 1, session=0, binding=0)
    (found,) = stale(scene.hook("run_with_iobinding", 5000, 20, session=1, binding=0, error="ValueError"), tmp_path)
    assert (found.held_by, found.held_ns) == (HeldBy.BINDING, 4_020_000)


def test_a_session_that_the_program_kept_while_it_made_another(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 200, 10, session=0).session(1, 1000, 300, owner=1)
    scene.hook("run", 2000, 10, session=1).release(0, 3000).hook("synchronize", 4000, 10)
    (found,) = stale(scene, tmp_path)
    assert (found.session, found.held_by, found.held_ns) == (0, HeldBy.PROGRAM, 2_790_000)


def test_sessions_that_were_let_go_in_time_or_are_used_side_by_side(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 200, 10, session=0).release(0, 300).session(1, 1000, 300, owner=1)
    assert stale(scene.hook("run", 2000, 10, session=1), tmp_path / "let-go") == ()
    scene = Scene().session(0, 0, 100).session(1, 200, 100, owner=1)
    for number in range(4):
        scene.hook("run", 1000 + 100 * number, 10, session=number % 2)
    assert stale(scene, tmp_path / "both") == ()


def test_bare_files_do_not_say_who_held_what():
    assert compute_stale(captures.resnet(), ()) is None


def test_the_memory_of_a_replaced_session():
    analyses = captures.example("set-providers")
    (found,) = analyses.sessions.stale
    assert (found.session, found.held_by) == (0, HeldBy.PERHAPS_BINDING)
    assert found.memory.weight_bytes == 1_047_296
    assert found.memory.arena_bytes == 128 << 20
