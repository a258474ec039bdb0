"""Hooks on `concurrent.futures`: from who submits to who runs, and from who ends a future to who asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import _base
from functools import partial, wraps
from time import time_ns
from typing import Any

from ortprobe.capture.handovers.handover_notes import HandoverNotes, Original, TokenPairs
from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.patches import Patches


class FutureHandovers:
    """Futures of any executor; `submit` of the one whose workers are threads."""

    def __init__(self, notes: HandoverNotes) -> None:
        self._notes = notes
        self._tokens = TokenPairs(notes)
        self._exception_of = futures.Future.exception

    def install(self, patches: Patches) -> None:
        notes, future = self._notes, futures.Future
        replace = partial(notes.replace, patches)
        replace(futures.ThreadPoolExecutor, "submit", self._wrap_submit)
        replace(future, "set_running_or_notify_cancel", partial(notes.wrap_taking, note=self._runs))
        replace(future, "set_result", partial(notes.wrap_giving, note=self._set))
        replace(future, "set_exception", partial(notes.wrap_giving, note=self._set))
        replace(future, "result", self._wrap_result)
        replace(future, "exception", partial(notes.wrap_taking, note=self._got))
        replace(future, "add_done_callback", self._wrap_callback)
        # What `wait` returns, and what `as_completed` yields from, by whatever names the program knows those two.
        replace(_base.DoneAndNotDoneFutures, "__new__", partial(notes.wrap_taking, note=self._waited))
        replace(_base, "_yield_finished_futures", self._wrap_completed)
        replace(_base._AcquireFutures, "__enter__", self._wrap_locking)
        replace(_base._AcquireFutures, "__exit__", self._wrap_unlocking)

    def _wrap_submit(self, original: Original) -> Original:
        """It may start a thread while it holds the executor's locks."""
        notes, held = self._notes, self._notes.held

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            if not notes.attached():
                return original(*args, **kwargs)
            at_ns, waited = time_ns(), held.waits
            held.waits = True
            try:
                future = original(*args, **kwargs)
            finally:
                held.waits = waited
                notes.guarded(notes.flush)
            notes.guarded(self._submitted, at_ns, future)
            return future

        return hooked

    def _wrap_callback(self, original: Original) -> Original:
        notes = self._notes

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            if notes.attached():
                notes.guarded(self._got_if_done, *args[:1])
            return original(*args, **kwargs)

        return hooked

    def _wrap_result(self, original: Original) -> Original:
        notes = self._notes

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            try:
                result = original(*args, **kwargs)
            except BaseException as raised:
                if notes.attached():
                    notes.guarded(self._raised, raised, *args[:1])
                raise
            else:
                if notes.attached():
                    notes.guarded(self._got, None, *args[:1])
                return result
            finally:
                del args, kwargs  # the exception's traceback leads here, and from the future to the exception

        return hooked

    def _wrap_completed(self, original: Original) -> Original:
        notes = self._notes

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> Iterator[futures.Future[Any]]:
            completed: Iterator[futures.Future[Any]] = original(*args, **kwargs)
            return map(self._passed_on, completed) if notes.attached() else completed

        return hooked

    def _wrap_locking(self, original: Original) -> Original:
        """Inside, all the futures that `wait` was given are locked."""
        held = self._notes.held

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            result = original(*args, **kwargs)
            held.waits = True
            return result

        return hooked

    def _wrap_unlocking(self, original: Original) -> Original:
        notes, held = self._notes, self._notes.held

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            try:
                return original(*args, **kwargs)
            finally:
                held.waits = False
                notes.guarded(notes.flush)

        return hooked

    def _submitted(self, at_ns: int, future: futures.Future[Any]) -> None:
        self._notes.give("future.submit", self._tokens.way_in(future), at_ns, call_site())

    def _runs(self, goes_on: bool, future: futures.Future[Any]) -> None:
        if goes_on:
            self._notes.take("future.run", self._tokens.way_in(future))

    def _set(self, at_ns: int, _result: object, future: futures.Future[Any]) -> None:
        self._notes.give("future.set", self._tokens.way_out(future), at_ns)

    def _got(self, _result: object, future: futures.Future[Any]) -> None:
        self._notes.take("future.get", self._tokens.way_out(future))

    def _got_if_done(self, future: futures.Future[Any]) -> None:
        if future.done() and not future.cancelled():
            self._got(None, future)

    def _raised(self, raised: BaseException, future: futures.Future[Any]) -> None:
        """Its own exception is a result; a timeout or a cancellation is none."""
        if future.done() and not future.cancelled() and self._exception_of(future, 0) is raised:
            self._got(None, future)

    def _waited(self, waited: _base.DoneAndNotDoneFutures[Any], _class: type) -> None:
        for future in waited.done:
            self._got_if_done(future)

    def _passed_on(self, future: futures.Future[Any]) -> futures.Future[Any]:
        self._notes.guarded(self._got_if_done, future)
        return future
