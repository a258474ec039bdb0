"""The analyses as pandas tables. Times are int64 ns; what nobody measured is missing (`<NA>`), never 0."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.causes import CAUSES
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.idle.idle_lines import DeviceLines
from ortprobe.analysis.trust.claims import Claim
from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.report.sayable import doubt, stated_device_busy, stated_nodes
from ortprobe.report.wording import origin_text, waiter_label
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline, own_stream

if TYPE_CHECKING:
    import pandas as pd

_RUN_TIMES = (
    "latency_ns", "host_before_ns", "input_copies_ns", "execute_ns", "drain_ns", "host_after_ns", "device_busy_ns",
)  # fmt: skip
_IDLE_COLUMNS = ["device", "start_ns", "end_ns", "duration_ns", "cause", "because", "run", "line", "next_line"]
_LIFE_TIMES = (
    "creation_ns", "load_ns", "initialize_ns", "other_ns", "runs", "first_run_ns", "steady_run_ns",
    "first_run_excess_ns", "re_init_cost_ns",
)  # fmt: skip


def runs(analyses: Analyses) -> pd.DataFrame:
    """One row a run, in time order."""
    import pandas as pd

    table, times = analyses.timeline.runs, analyses.runs
    columns = {name: _measured(getattr(times, name)) for name in _RUN_TIMES}
    columns["device_busy_ns"] = _measured(stated_device_busy(analyses))
    return pd.DataFrame(
        {
            "session": _measured(table.session),
            "index_in_session": times.index_in_session,
            "start_ns": table.start_ns,
            **columns,
            "ort_profiled": (times.attached & ATTACHED_ORT_PROFILE) > 0,
            "torch_profiled": (times.attached & ATTACHED_TORCH_PROFILER) > 0,
            "failed": times.failed,
        }
    )


def sessions(analyses: Analyses) -> pd.DataFrame:
    """One row a C session, in order of creation."""
    import pandas as pd

    rows = [
        {
            "creation": life.session.creation.value,
            "replaces": life.session.replaces,
            "file": life.session.site.file if life.session.site else "",
            "line": life.session.site.line if life.session.site else None,
            **{name: getattr(life, name) for name in _LIFE_TIMES},
        }
        for life in analyses.sessions.lives
    ]
    whole = ["replaces", "line", *_LIFE_TIMES]
    return pd.DataFrame(rows, columns=["creation", "file", *whole]).astype(dict.fromkeys(whole, "Int64"))


def nodes(analyses: Analyses) -> pd.DataFrame:
    """One row a node of a session, the dearest first. What it was made of is known where there is a model."""
    import pandas as pd

    rows = [
        {**asdict(node), "origin": origin_text(node), "weight_bytes": node.origin.weight_bytes if node.origin else None}
        for node in stated_nodes(analyses).nodes
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({"device_ns": "Int64", "weight_bytes": "Int64"}) if len(frame) else frame


def attribution(analyses: Analyses) -> pd.DataFrame:
    """One row a kind of device work and a way in which its node was found, or a reason why it has none."""
    import pandas as pd

    found = analyses.attribution
    told = not doubt(analyses, Claim.GPU_TIME)
    rows = [
        (work, by.name.lower() if by else None, reason, amount.count, amount.device_ns if told else None)
        for work, origin in (("kernel", found.kernels), ("copy", found.copies), ("fill", found.fills))
        for by, reason, amount in (
            *((by, None, amount) for by, amount in origin.node_by.items()),
            *((None, reason.value, amount) for reason, amount in origin.without_node.items()),
        )
    ]
    columns = ["work", "node_by", "without_node", "count", "device_ns"]
    whole = dict.fromkeys(("count", "device_ns"), "Int64")
    return pd.DataFrame(rows, columns=columns).astype(whole | {"node_by": "string", "without_node": "string"})


def waits(analyses: Analyses) -> pd.DataFrame:
    """One row a wait, in time order."""
    import pandas as pd

    timeline = analyses.timeline
    rows = [
        {
            "name": wait.name,
            "waiter": waiter_label(wait, timeline),
            "waited_streams": tuple(map(own_stream, wait.waited_streams)),
            "start_ns": wait.start_ns,
            "end_ns": wait.end_ns,
            "stall_ns": wait.stall_ns,
            "run": None if wait.run == NONE else wait.run,
        }
        for wait in analyses.waits.waits
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({"stall_ns": "Int64", "run": "Int64"}) if rows else frame


def idle(analyses: Analyses) -> pd.DataFrame:
    """One row a piece of idle time, device by device, in time order; durations sum to each device's idle time.

    `because` is the name of what shows the cause, `run` the run that it belongs to. `line` is the line of the program
    that the host was at, `next_line` the one it was on its way to, where it was in no hooked call.
    """
    import pandas as pd

    devices = zip(analyses.idle.devices, analyses.idle_lines.devices, strict=True)
    frames = [_idle_of(analyses.timeline, device, lines) for device, lines in devices]
    empty = pd.DataFrame(columns=_IDLE_COLUMNS)
    return pd.concat(frames, ignore_index=True) if frames else empty


def _idle_of(timeline: Timeline, device: DeviceIdle, lines: DeviceLines) -> pd.DataFrame:
    import pandas as pd

    columns, because = device.columns, device.columns.piece_because
    names = np.array([*timeline.names, None], object)
    values = {
        "device": device.device,
        "start_ns": columns.piece_start_ns,
        "end_ns": columns.piece_end_ns,
        "duration_ns": columns.piece_end_ns - columns.piece_start_ns,
        "cause": np.array([cause.value for cause in CAUSES], object)[columns.piece_cause],
        "because": names[np.where(because == NONE, NONE, timeline.spans.name[because])],
        "run": _measured(np.where(because == NONE, NONE, timeline.links.run[because])),
        "line": names[lines.piece_site],
        "next_line": names[lines.piece_next_site],
    }
    return pd.DataFrame(values, columns=_IDLE_COLUMNS)


def _measured(column: Int64s | Int32s) -> pd.Series[int]:
    import pandas as pd

    return pd.Series(column).astype("Int64").mask(pd.Series(column) == NONE)
