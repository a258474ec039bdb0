from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline


def given(*keys: str, call: str = "add_session_config_entry") -> Scene:
    """A program that gives these keys, and then makes a session."""
    scene = Scene().hook("ortprobe.watch_options", 0, 1)
    for number, key in enumerate(keys):
        scene.hook(call, 10 + number, 1, options={key: "1"}, site=f"app.py:{number + 1}")
    return scene.session(0, 100, 50)


def fault(folder: Path) -> Timeline:
    """A letter is missing."""
    return given("session.intra_op.allow_spining").load(folder)


def near_miss(folder: Path) -> Timeline:
    """Keys as the headers have them, and one that an execution provider may look for."""
    return given("session.intra_op.allow_spinning", "ep.acme.turbo", "acme.license").load(folder)


def cant_tell(folder: Path) -> Timeline:
    """A capture that does not hold what entries were given."""
    return Scene().session(0, 100, 50).load(folder)
