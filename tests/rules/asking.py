"""Asking one rule about a scene."""

from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import RULES, Finding, Outcome
from ortprobe.timeline import Timeline


def ask(code: str, timeline: Timeline) -> Outcome:
    (rule,) = (rule for rule in RULES if rule.code == code)
    return rule.check(Analyses(timeline))


def finding(code: str, scene: Scene, folder: Path) -> Finding:
    """What the rule finds; fails where it finds nothing."""
    outcome = ask(code, scene.load(folder))
    assert isinstance(outcome, Finding), outcome
    return outcome


def named(timeline: Timeline, found: Finding) -> list[str]:
    """The names of the spans that a finding cites."""
    return [timeline.name_of(span) for span in found.evidence]


def runs(scene: Scene, session: int, start_us: float, *durations_us: float, **fields: object) -> Scene:
    """Hooked runs of a session, one after the other with a pause of 100 µs."""
    for dur_us in durations_us:
        scene.hook("run", start_us, dur_us, session=session, **fields)
        start_us += dur_us + 100
    return scene
