"""What a row of a file is a row of."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class What(Enum):
    """The list of `History` that an origin counts in."""

    CALL = "calls"
    WORK = "works"
    STREAM_WAIT = "stream_waits"
    HOST_WAIT = "host_waits"
    RECORD = "records"
    OP = "ops"
    EXECUTION = "executions"
    EXECUTED = "executed"
    RUN = "runs"
    """The Python call."""
    MODEL_RUN = "model_runs"
    """The part of a run that ORT's profile has."""
    SESSION = "sessions"
    """The Python call that made it."""
    LOAD = "loads"
    INITIALIZE = "initializations"


class Origin(NamedTuple):
    what: What
    number: int
