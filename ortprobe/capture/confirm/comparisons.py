"""How it is told whether two calls came in the wrong order: by what they gave, beside what they give in the right one.

The right order is forced in the same process, right after the program's own: by then all that the program has enqueued
is waited for, and what was overwritten is put back where that matters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ortprobe.bundle.confirmations import Suspect
from ortprobe.capture.confirm.calls import AT_ONCE, RUNS, TORCH_METHODS, Content, HookedCall, without_gradients
from ortprobe.capture.confirm.gpu import Gpu

_MOST_TARGETS = 4
"""Inputs of one run that a program refills in turn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the program got something else than in the right order, and whether that gives the same each time."""

    changed: bool
    steady: bool = True


class Comparison(ABC):
    """Called around both calls of a suspect. None as the outcome: this time there was nothing to compare."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def before_first(self, call: HookedCall) -> None:  # noqa: B027 - not all need it
        """Keep what the first call reads."""

    def after_first(self, call: HookedCall) -> None:  # noqa: B027
        """Keep what the first call gave."""

    @abstractmethod
    def after_second(self, call: HookedCall) -> Outcome | None:
        """Compare. What the program has in its buffers afterwards is what it had, or what it should have had."""

    def drop(self) -> None:  # noqa: B027
        """Keep nothing of the first call: the second did not come, or has been compared."""


class SecondAgain(Comparison):
    """Read after write: the second call reads; made once more, it reads what was written by then."""

    def after_second(self, call: HookedCall) -> Outcome:
        at_once = call.content(_copied(call.result)) if call.what in AT_ONCE else None
        self._gpu.synchronize()
        racy = call.content(call.result) if at_once is None else at_once
        references = [self._reference(call), self._reference(call)]
        return Outcome(racy != references[0], references[0] == references[1])

    def _reference(self, call: HookedCall) -> Content:
        result = call.again()
        self._gpu.synchronize()
        return call.content(result)


class RunOnKeptInput(Comparison):
    """Write after read by a run: the run is made once more on the input as it was before the second call's write.

    Which memory the second call writes is known from its last time.
    """

    def __init__(self, gpu: Gpu) -> None:
        super().__init__(gpu)
        self._targets: dict[int, Any] = {}
        self._kept: dict[int, Any] = {}
        self._run: HookedCall | None = None

    def before_first(self, call: HookedCall) -> None:
        self._gpu.synchronize()
        self._kept = {address: target.clone() for address, target in self._targets.items()}
        self._gpu.synchronize()
        self._run = call

    def after_second(self, call: HookedCall) -> Outcome | None:
        target, run = call.args[0], self._run
        self._gpu.synchronize()
        kept = self._kept.get(target.data_ptr())
        self._note(target)
        if run is None or kept is None or kept.shape != target.shape:
            return None
        racy = run.content(run.result)
        refill = target.detach().clone()
        try:
            _put(target, kept)
            references = [self._reference(run), self._reference(run)]
        finally:
            _put(target, refill)
            self._gpu.synchronize()
        return Outcome(racy != references[0], references[0] == references[1])

    def _reference(self, run: HookedCall) -> Content:
        self._gpu.synchronize()
        result = run.again()
        self._gpu.synchronize()
        return run.content(result)

    def _note(self, target: Any) -> None:  # noqa: ANN401
        self._targets.pop(target.data_ptr(), None)
        self._targets[target.data_ptr()] = target.detach()  # held: a view that the program makes each time dies at once
        while len(self._targets) > _MOST_TARGETS:
            del self._targets[next(iter(self._targets))]

    def drop(self) -> None:
        self._kept, self._run = {}, None


class ReadOfKept(Comparison):
    """Write after read by torch: what the first call gave is compared with what it gives of the source as it was."""

    def __init__(self, gpu: Gpu) -> None:
        super().__init__(gpu)
        self._kept: Any = None
        self._read: HookedCall | None = None

    def before_first(self, call: HookedCall) -> None:
        self._gpu.synchronize()
        self._kept = call.source.detach().clone()
        self._gpu.synchronize()

    def after_first(self, call: HookedCall) -> None:
        self._read = call

    def after_second(self, call: HookedCall) -> Outcome | None:  # noqa: ARG002
        self._gpu.synchronize()
        read, kept = self._read, self._kept
        if read is None or kept is None or read.result is read.source:
            return None
        racy = read.content(read.result)
        reference = read.content(read.of(kept))
        self._gpu.synchronize()
        return Outcome(racy != reference)

    def drop(self) -> None:
        self._kept, self._read = None, None


def choose(suspect: Suspect, gpu: Gpu) -> Comparison | str:
    """The comparison for a suspect, or why there is none."""
    for what in (suspect.first_what, suspect.second_what):
        if what not in (*RUNS, *TORCH_METHODS):
            return f"calls of {what} can't be repeated"
    if suspect.hazard == "read-after-write":
        return SecondAgain(gpu)
    if suspect.first_what not in RUNS:
        return ReadOfKept(gpu)
    if suspect.second_what == "copy_":
        return RunOnKeptInput(gpu)
    return f"what {suspect.second_what} overwrites can't be put back"


def _copied(result: object) -> object:
    copy = getattr(result, "copy", None)
    return copy() if callable(copy) else result


def _put(target: Any, content: Any) -> None:  # noqa: ANN401
    with without_gradients():
        target.copy_(content)
