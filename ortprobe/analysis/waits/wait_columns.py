"""Waits as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.waits.wait_times import Waiter, WaitTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitColumns:
    """All waits in time order; the columns are those of `Wait`, and have the same length."""

    span: Int32s
    call: Int32s
    by_host: Bools
    """Whether a thread of the host waits; otherwise a stream does."""
    start_ns: Int64s
    end_ns: Int64s
    stall_ns: Int64s
    """NONE when the trace does not resolve what was waited for."""
    work: Int32s
    run: Int32s


def wait_columns(waits: WaitTimes) -> WaitColumns:
    """The same waits."""
    each = waits.waits
    return WaitColumns(
        span=np.array([wait.span for wait in each], np.int32),
        call=np.array([wait.call for wait in each], np.int32),
        by_host=np.array([wait.waiter is Waiter.HOST for wait in each], np.bool_),
        start_ns=np.array([wait.start_ns for wait in each], np.int64),
        end_ns=np.array([wait.end_ns for wait in each], np.int64),
        stall_ns=np.array([NONE if wait.stall_ns is None else wait.stall_ns for wait in each], np.int64),
        work=np.array([wait.work for wait in each], np.int32),
        run=np.array([wait.run for wait in each], np.int32),
    )
