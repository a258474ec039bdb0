"""Runs of one session, first with one set of input shapes, then with another."""

from __future__ import annotations

from scene import Profile, Scene

EVERYTHING = 3
"""ORT's profile and torch's profiler attached."""


def steady(scene: Scene, profile: Profile, start_us: int, number: int, **node: object) -> None:
    """A run of 100 µs: a node of 60 with a launch 10 after its start, all with the correlation ids of its number."""
    scene.hook("run", start_us, 100, session=0, attached=EVERYTHING)
    profile.run(start_us + 5, 90).node("conv", start_us + 20, 60, **node)
    scene.launch("k", start_us + 30, start_us + 40, 5, number)


def growing(later: int) -> Scene:
    """Five runs, one with new shapes and a kernel of its own that takes 400 µs longer, and `later` more like it."""
    scene = Scene(window_us=(0, 20_000))
    profile = scene.profile().load(10, 10).initialize(30, 60)
    scene.session(0, 0, 100)
    for number in range(5):
        steady(scene, profile, 1000 * (number + 1), number, shape=(1, 3))
    scene.hook("run", 8000, 500, session=0, attached=EVERYTHING)
    profile.run(8005, 490).node("conv", 8020, 400, shape=(8, 3))
    scene.launch("k", 8400, 8403, 5, 50).launch("k_new", 8405, 8410, 5, 51)
    for number in range(later):
        steady(scene, profile, 9000 + 1000 * number, 60 + number, shape=(8, 3))
    return scene
