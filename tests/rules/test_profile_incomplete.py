from __future__ import annotations

import captures
import pytest
from asking import ask, runs
from cases.profile_incomplete import cant_tell, near_miss, profile
from scene import Scene

from ortprobe.bundle import read_bundle
from ortprobe.ingest import load_bundle
from ortprobe.rules import Finding, NotApplicable, Passed, Severity


@pytest.mark.parametrize(
    ("version", "name", "words"),
    [
        ("1.31.1", "truncated", "1 is truncated at a million events"),
        ("1.32.0", "collision", "1 is shared by two sessions"),
        ("1.17.3", "collision", "1 is shared by two sessions"),
    ],
)
def test_profiles_as_ort_leaves_them(version, name, words):
    found = ask("M2", profile(version, name))
    assert isinstance(found, Finding)
    assert (found.severity, found.count, found.cost_ns) == (Severity.WARNING, 1, None)
    assert words in found.title
    assert found.evidence


def folder_with_profile(tmp_path, content: bytes | None):
    """A bundle whose ORT profile holds this, or the first so many bytes of what it should hold."""
    scene = Scene()
    scene.profile().run(10, 50).run(100, 50)
    runs(scene.session(0, -100, 50), 0, 5, 60, 60, attached=1)
    folder = scene.write_bundle(tmp_path / "scene.ortprobe")
    (path,) = folder.glob("ort-*.json")
    path.write_bytes(path.read_bytes()[:-60] if content is None else content)
    assert read_bundle(folder)
    return load_bundle(folder)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "1 is empty or can't be read"), (b"no profile", "can't be read"), (None, "is cut off")]
)
def test_profiles_in_a_bundle(tmp_path, content, words):
    found = ask("M2", folder_with_profile(tmp_path, content))
    assert isinstance(found, Finding)
    assert words in found.title
    assert found.evidence


def test_whole_profiles(tmp_path):
    for timeline in (near_miss(tmp_path), captures.service(), captures.resnet()):
        assert ask("M2", timeline) == Passed()


def test_no_profile_at_all(tmp_path):
    outcome = ask("M2", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
