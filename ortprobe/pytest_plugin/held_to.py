"""One capture inside of a test, and what the test is held to. Imported when a test asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import pytest

from ortprobe.bundle import Settings
from ortprobe.capture.tracing import DEFAULT_SETTINGS, trace
from ortprobe.errors import OrtprobeError, UsageError
from ortprobe.names import printable
from ortprobe.nearest import nearest
from ortprobe.report.check.text import failure_lines
from ortprobe.report.check.wording import headline
from ortprobe.report.report import Report, load
from ortprobe.rules.gate.budget import Limit, parse_budget
from ortprobe.rules.gate.check import Check, check
from ortprobe.rules.gate.metrics import METRICS
from ortprobe.rules.gate.policy import NEVER, Policy, parse_policy

_MAX = "max_"
_WORDS = ("fail_on", "ignore")
_SETTINGS = ("warmup_runs", "active_runs", "torch_runs")
_SOURCE = "the test"


class TestCapture:
    """What was captured. Read it when the block has ended."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The bundle."""

    @cached_property
    def report(self) -> Report:
        """The judged capture: findings, figures and tables."""
        return load(self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a test is held to, and how it is traced."""

    limits: tuple[Limit, ...]
    policy: Policy
    settings: Settings

    @property
    def nothing(self) -> bool:
        """Whether nothing can fail."""
        return not self.limits and self.policy.severity is None and not self.policy.codes


@contextmanager
def capture(folder: Path, asked: Mapping[str, object]) -> Iterator[TestCapture]:
    """Trace the block into a bundle in `folder`, and fail the running test when it does not keep to what is asked.

    An exception of the block goes on, and nothing is judged then.
    """
    with ExitStack() as stack:
        refused = ""
        try:
            wanted = read_asked(asked)
            name = f"capture-{sum(1 for _ in folder.glob('capture-*.ortprobe'))}"
            made = TestCapture(stack.enter_context(trace(folder, name=name, settings=wanted.settings)).folder)
        except OrtprobeError as error:
            refused = str(error)
        if refused:
            pytest.fail(f"ortprobe: {refused}", pytrace=False)
        yield made
    if wanted.nothing:
        return
    done = check(made.report.judgement, wanted.policy, wanted.limits)
    if done.standing.fails:
        pytest.fail(_message(done, made.folder), pytrace=False)


def read_asked(asked: Mapping[str, object]) -> Asked:
    """Limits, what findings fail, and settings of the capture, from the arguments of a marker.

    Raises:
        UsageError: an argument that is none, or with a value that it can't have.
    """
    limits = {key.removeprefix(_MAX): value for key, value in asked.items() if key.startswith(_MAX)}
    for key in asked:
        if not key.startswith(_MAX) and key not in _WORDS + _SETTINGS:
            known = [*(f"{_MAX}{metric.key}" for metric in METRICS), *_WORDS, *_SETTINGS]
            raise UsageError(f"there is no {key} to hold a test to{nearest(key, known)}")
    return Asked(
        limits=parse_budget(limits, _SOURCE),
        policy=parse_policy(_words(asked, "fail_on") or [NEVER], _words(asked, "ignore")),
        settings=_settings({key: asked[key] for key in _SETTINGS if key in asked}),
    )


def _words(asked: Mapping[str, object], key: str) -> list[str]:
    given = asked.get(key, [])
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{key}={given!r}: write a word, or a list of words")
    return list(words)


def _settings(given: Mapping[str, object]) -> Settings:
    """The capture's usual settings, but for these. Child processes are not looked at, so they are not followed."""
    for key, value in given.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise UsageError(f"{key}={value!r}: write a number of runs")
    return msgspec.structs.replace(DEFAULT_SETTINGS, follow_children=False, **given)


def _message(done: Check, bundle: Path) -> str:
    lines = [f"ortprobe: {headline(done)}", *failure_lines(done), f"more: ortprobe report {bundle}"]
    return "\n".join(printable(line) for line in lines)
