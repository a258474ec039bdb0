"""The ORT profile of one C session: its rows, each with what it is a row of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from traces.history import History, Interval
from traces.kineto_rows import Event, order_of
from traces.origin import Origin, What
from traces.ort_rows import fence_row, node_row, session_row, truncated_row, write_profile
from traces.recording import Recording, profile_interval

Sourced = tuple[Event, Origin | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTruth:
    """What a written profile holds."""

    origins: list[Origin | None]
    """What each row is a row of, `profile_truncated` not counted."""
    start_us: list[int]
    """The written start of each row."""
    dropped: int


def write_session_profile(path: Path, history: History, recording: Recording, session: int) -> ProfileTruth:
    """Write what ORT leaves of a session: all that had ended when its profiling did, up to the cap."""
    interval = profile_interval(history, session)
    assert interval is not None, "a session without profiling leaves no profile"
    rows = list(_Rows(history, recording, session, interval).all())
    rows.sort(key=lambda row: (_number(row[0]["ts"]) + _number(row[0]["dur"]), -_number(row[0]["ts"])))
    dropped = min(recording.losses.profile_events, len(rows) - 1)
    rows = rows[: len(rows) - dropped]
    rows.sort(key=lambda row: (_number(row[0]["ts"]), -_number(row[0]["dur"])))
    rows = [rows[number] for number in order_of(len(rows), recording.profile.shuffle)]
    written = [event for event, _ in rows]
    if dropped:
        thread = history.threads[history.sessions[session].thread].native_id
        written.append(truncated_row(_number(written[-1]["ts"]), dropped, process=recording.process, thread=thread))
    write_profile(path, written, recording.profile)
    return ProfileTruth(
        origins=[origin for _, origin in rows], start_us=[_number(event["ts"]) for event, _ in rows], dropped=dropped
    )


class _Rows:
    def __init__(self, history: History, recording: Recording, session: int, interval: Interval) -> None:
        self._history = history
        self._recording = recording
        self._session = session
        self._start_ns, self._end_ns = interval

    def all(self) -> Iterator[Sourced]:
        made = self._history.sessions[self._session]
        yield from self._span("model_loading_uri", made.load, made.thread, Origin(What.LOAD, self._session))
        initialize = Origin(What.INITIALIZE, self._session)
        yield from self._span("session_initialization", made.initialize, made.thread, initialize)
        for number, run in enumerate(self._history.runs):
            if run.session == self._session:
                yield from self._span("model_run", run.model_run, run.thread, Origin(What.MODEL_RUN, number))
        for number, one in enumerate(self._history.executed):
            run = self._history.runs[one.run]
            if run.session == self._session:
                origin = Origin(What.EXECUTED, number)
                name = "SequentialExecutor::Execute"
                yield from self._span(name, (one.start_ns, one.end_ns), run.thread, origin)
        for number, execution in enumerate(self._history.executions):
            if execution.session == self._session:
                yield from self._node(number)

    def _span(self, name: str, interval: Interval, thread: int, origin: Origin) -> Iterator[Sourced]:
        written = self._written(*interval)
        if written is not None:
            native_id = self._history.threads[thread].native_id
            yield session_row(name, *written, process=self._recording.process, thread=native_id), origin

    def _node(self, number: int) -> Iterator[Sourced]:
        execution = self._history.executions[number]
        written = self._written(execution.start_ns, execution.end_ns)
        if written is None:
            return
        node, process = execution.node, self._recording.process
        thread = self._history.threads[execution.thread].native_id
        event = node_row(
            node.name, *written, process=process, thread=thread, op=node.op_type, provider=node.provider,
            index=execution.index,
        )  # fmt: skip
        yield event, Origin(What.EXECUTION, number)
        if self._recording.profile.has_fences:
            start_us, duration_us = written
            yield fence_row(node.name, start_us, process=process, thread=thread, which="before"), None
            yield fence_row(node.name, start_us + duration_us, process=process, thread=thread, which="after"), None

    def _written(self, start_ns: int, end_ns: int) -> tuple[int, int] | None:
        """Start and duration as ORT truncates them; None for what had not ended when profiling did."""
        if not self._start_ns <= start_ns or end_ns > self._end_ns:
            return None
        return (start_ns - self._start_ns) // 1000, (end_ns - start_ns) // 1000


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
