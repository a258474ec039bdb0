"""Each suspect's tries: when it is its turn, what they showed, and when it is settled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ortprobe.bundle.confirmations import (
    DID_NOT_OCCUR,
    DIFFERS_ANYWAY,
    NO_OTHER_OUTPUTS,
    OWN_STREAM,
    Confirmation,
    Suspect,
)
from ortprobe.capture.confirm.calls import RUNS, HookedCall, same_site
from ortprobe.capture.confirm.comparisons import Comparison, Outcome, choose
from ortprobe.capture.confirm.gpu import Gpu
from ortprobe.capture.hook_log import one_line

_MOST_CONTROLS = 2
"""A program's first round may be one of its own kind: caches fill, and algorithms are chosen."""
_MOST_UNCOMPARED = 20
"""Pairs of calls after which there was nothing to compare."""
_MOST_REPEATS = 8
"""First calls in a row, as of a loop over inputs, until others get their turn."""
_PATIENCE = 100
"""Calls at sites of suspects that a try lasts at most, so that others get their turn."""


class Trial:
    """One suspect. It is first tried with the right order forced: what changes even then proves nothing later."""

    def __init__(self, suspect: Suspect, tries: int, gpu: Gpu) -> None:
        self.suspect = suspect
        self._tries = tries
        self._gpu = gpu
        self._first = suspect.first_what, same_site(suspect.first_site)
        self._second = suspect.second_what, same_site(suspect.second_site)
        self._tried = self._changed = self._held_up = 0
        self._uncompared = self._failed_controls = self._misses = self._rest = self._repeats = 0
        self._has_control = False
        self._why = ""
        self._comparison: Comparison | None = None
        chosen = choose(suspect, gpu)
        if isinstance(chosen, str):
            self._why = chosen
        else:
            self._comparison = chosen

    @property
    def is_settled(self) -> bool:
        return bool(self._why) or self._tried >= self._tries

    @property
    def starts(self) -> int:
        return self._tried + self._uncompared + self._misses

    def is_first(self, call: HookedCall, site: str) -> bool:
        return (call.what, site) == self._first

    def is_second(self, call: HookedCall, site: str) -> bool:
        return (call.what, site) == self._second

    def rests(self) -> bool:
        """Whether it leaves its turn to others: each time its second call did not come, it waits longer."""
        if self._rest:
            self._rest -= 1
            return True
        return False

    def starts_again(self) -> bool:
        """Whether to start anew with a first call that came in place of the second."""
        self._repeats += 1
        return self._repeats % _MOST_REPEATS != 0

    def miss(self) -> None:
        """The second call did not come."""
        self._misses += 1
        self._rest = min(self._misses, _MOST_UNCOMPARED)
        self._guard(lambda comparison: comparison.drop())

    def before_first(self, call: HookedCall) -> None:
        def begin(comparison: Comparison) -> None:
            comparison.before_first(call)
            if self._has_control:
                self._held_up += self._hold_up(call)

        self._guard(begin)

    def _hold_up(self, call: HookedCall) -> bool:
        if call.is_run:
            return self._gpu.hold_up_session(call.session)
        return self._gpu.hold_up_torch([*call.args, *call.kwargs.values()])

    def after_first(self, call: HookedCall) -> None:
        self._guard(lambda comparison: comparison.after_first(call))

    def before_second(self) -> None:
        if not self._has_control:
            self._guard(lambda _: self._gpu.synchronize())

    def after_second(self, call: HookedCall) -> None:
        def compare(comparison: Comparison) -> None:
            try:
                self._judge(comparison.after_second(call))
            finally:
                comparison.drop()

        self._guard(compare)

    def _judge(self, outcome: Outcome | None) -> None:
        if outcome is None:
            self._uncompared += 1
            if self._uncompared >= _MOST_UNCOMPARED:
                self._give_up("what the calls read and write is other memory each time")
        elif not self._has_control:
            self._has_control = outcome.steady and not outcome.changed
            self._failed_controls += not self._has_control
            if self._failed_controls >= _MOST_CONTROLS:
                self._give_up(DIFFERS_ANYWAY)
        elif not outcome.steady:
            self._give_up(DIFFERS_ANYWAY)
        else:
            self._tried += 1
            self._changed += outcome.changed

    def _give_up(self, why: str) -> None:
        self._changed = 0
        self._why = why

    def _guard(self, step: Callable[[Comparison], object]) -> None:
        """What fails here ends the tries of this suspect, and nothing of the program's."""
        if self._comparison is None or self._why:
            return
        try:
            step(self._comparison)
        except Exception as error:
            self._give_up(f"trying it failed: {one_line(error)}")

    def confirmation(self, *, ended: bool) -> Confirmation:
        """As far as it is known. `ended`: the program makes no more calls; there is a `why` then."""
        why = self._why
        if not why and not self._changed and (ended or self.is_settled):
            why = self._why_unchanged()
        return Confirmation(suspect=self.suspect, tried=max(self._tried, self._changed), changed=self._changed, why=why)

    def _why_unchanged(self) -> str:
        if not self._tried:
            has_occurred = self._has_control or self._uncompared or self._failed_controls
            return f"{DID_NOT_OCCUR} often enough to be tried" if has_occurred else DID_NOT_OCCUR
        if self._held_up:
            return NO_OTHER_OUTPUTS.format(self._tried)
        if self._gpu.is_there and self._first[0] in RUNS:
            return OWN_STREAM
        return f"{NO_OTHER_OUTPUTS.format(self._tried)}, without a GPU stream to be delayed"


class Trials:
    """All suspects of a program. One is tried at a time: waiting for one's calls would hide the others' races."""

    def __init__(self, suspects: Sequence[Suspect], tries: int, gpu: Gpu, settled: Callable[[], None]) -> None:
        self._trials = [Trial(suspect, tries, gpu) for suspect in suspects]
        self._gpu = gpu
        self._settled = settled
        self._lock = threading.Lock()
        self._holder: Trial | None = None
        self._patience = 0
        self.sites = frozenset(
            same_site(site) for suspect in suspects for site in (suspect.first_site, suspect.second_site)
        )

    @property
    def is_settled(self) -> bool:
        return all(trial.is_settled for trial in self._trials)

    def confirmations(self, *, ended: bool) -> tuple[Confirmation, ...]:
        return tuple(trial.confirmation(ended=ended) for trial in self._trials)

    def around(self, call: HookedCall, site: str) -> object:
        """Make a call of the program at a suspect's site, and with it the steps of the suspect that is being tried."""
        if self.is_settled or self._gpu.is_capturing():
            return call.original(*call.args, **call.kwargs)
        with self._lock:
            second = self._take_second(call, site)
            first = self._begin(call, site) if second is None else None
        if second is not None:
            second.before_second()
        if first is not None:
            first.before_first(call)
        try:
            call.result = call.original(*call.args, **call.kwargs)
        except BaseException:
            for trial in (first, second):
                self._abandon(trial)
            raise
        if first is not None:
            first.after_first(call)
        if second is not None:
            second.after_second(call)
        if any(trial is not None and trial.is_settled for trial in (first, second)):
            self._settled()
        return call.result

    def _take_second(self, call: HookedCall, site: str) -> Trial | None:
        """The suspect whose second call this is; the turn is free again."""
        holder = self._holder
        if holder is None or not holder.is_second(call, site):
            return None
        self._holder = None
        return holder

    def _begin(self, call: HookedCall, site: str) -> Trial | None:
        """The suspect that is tried from this first call on: the one that was tried least."""
        holder = self._holder
        if holder is not None:
            self._patience -= 1
            repeats = holder.is_first(call, site)
            if not holder.is_settled and self._patience > 0 and (not repeats or holder.starts_again()):
                return holder if repeats else None
            holder.miss()
            self._holder = None
        ready = [trial for trial in self._trials if not trial.is_settled and trial.is_first(call, site)]
        ready = [trial for trial in ready if not trial.rests()]
        if not ready:
            return None
        self._holder = min(ready, key=lambda trial: trial.starts)
        self._patience = _PATIENCE
        return self._holder

    def _abandon(self, trial: Trial | None) -> None:
        if trial is None:
            return
        with self._lock:
            trial.miss()
            if self._holder is trial:
                self._holder = None
