"""The analyses as pandas tables. Times are int64 ns; what nobody measured is missing (`<NA>`), never 0."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.causes import CAUSES
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.idle.idle_lines import DeviceLines
from ortprobe.analysis.nodes.node_hosts import NodeHost
from ortprobe.analysis.path.critical_path import PATH_KINDS, PathKind
from ortprobe.analysis.sessions.creations import Phase
from ortprobe.analysis.sessions.host_parts import HostPart
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.analysis.trust.claims import Claim
from ortprobe.analysis.waits.wait_groups import lines_of
from ortprobe.analysis.waits.wait_times import NEEDS, ROLES
from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.report.path_wording import change_text
from ortprobe.report.sayable import (
    doubt,
    doubt_of_waits,
    stated_bandwidth,
    stated_device_busy,
    stated_nodes,
    stated_operators,
    stated_phases,
    stated_what_ifs,
)  # fmt: skip
from ortprobe.report.wording import origin_text, waited_nodes, waited_streams, waiter_labels
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline

if TYPE_CHECKING:
    import pandas as pd

_PHASES = (
    "host_before_ns", "input_copies_ns", "execute_ns", "after_execute_ns", "host_after_ns", "before_launch_ns",
    "launching_ns", "after_launch_ns", "drain_ns", "output_copies_ns", "finish_ns",
)  # fmt: skip
_IDLE_COLUMNS = ["device", "start_ns", "end_ns", "duration_ns", "cause", "because", "run", "line", "next_line"]
_LIFE_TIMES = ("creation_ns", "runs", "first_run_ns", "steady_run_ns", "first_run_excess_ns", "re_init_cost_ns")
_CREATION_PARTS = {
    "upload_ns": HostPart.COPY, "allocation_ns": HostPart.ALLOCATION, "module_loading_ns": HostPart.MODULE_LOADING,
    "wait_ns": HostPart.WAIT,
}  # fmt: skip
"""Columns of what the thread did while a session was made, where a torch trace watched all of it."""

_HOST_PARTS = {
    "launch_ns": HostPart.LAUNCH, "copy_call_ns": HostPart.COPY, "wait_ns": HostPart.WAIT,
    "allocation_ns": HostPart.ALLOCATION, "module_loading_ns": HostPart.MODULE_LOADING,
}  # fmt: skip
_OF_HOST = (*_HOST_PARTS, "own_code_ns", "other_calls_ns", "waits", "stall_ns")
"""Columns of what a node did on the host; those in ns but `stall_ns` sum to its host time, without subgraphs."""
_MISSING_OF_NODES = (
    "device_ns", "device_per_run_ns", "moved_bytes", "weight_bytes", "operand_bytes_per_s", *_OF_HOST,
)  # fmt: skip


def runs(analyses: Analyses) -> pd.DataFrame:
    """One row a run, in time order."""
    import pandas as pd

    table, times = analyses.timeline.runs, analyses.runs
    phases = stated_phases(analyses)
    return pd.DataFrame(
        {
            "session": _measured(table.session),
            "index_in_session": times.index_in_session,
            "start_ns": table.start_ns,
            "latency_ns": times.latency_ns,
            "period_ns": _measured(times.period_ns),
            **{name: _measured(getattr(phases, name)) for name in _PHASES},
            "device_busy_ns": _measured(stated_device_busy(analyses)),
            "ort_profiled": (times.attached & ATTACHED_ORT_PROFILE) > 0,
            "torch_profiled": (times.attached & ATTACHED_TORCH_PROFILER) > 0,
            "failed": times.failed,
        }
    )


def sessions(analyses: Analyses) -> pd.DataFrame:
    """One row a C session, in order of creation."""
    import pandas as pd

    stale = {each.session: each for each in analyses.sessions.stale or ()}
    rows = [
        {
            "creation": life.session.creation.value,
            "replaces": life.session.replaces,
            "file": life.session.site.file if life.session.site else "",
            "line": life.session.site.line if life.session.site else None,
            **{name: getattr(life, name) for name in _LIFE_TIMES},
            **{f"{phase.value}_ns": life.phase_ns(phase) for phase in Phase},
            **_divided_creation(life),
            "runs_until_steady": life.first_runs.until_steady,
            "early_excess_ns": life.first_runs.excess_ns,
            "runs_with_new_shapes": len(life.first_runs.new_shapes),
            "weight_bytes": life.memory.weight_bytes,
            "arena_bytes": life.memory.arena_bytes,
            "stale_ns": stale[life.session.index].held_ns if life.session.index in stale else None,
        }
        for life in analyses.sessions.lives
    ]
    whole = [
        "replaces", "line", *_LIFE_TIMES, *(f"{phase.value}_ns" for phase in Phase), *_CREATION_PARTS, "drain_stall_ns",
        "runs_until_steady", "early_excess_ns", "runs_with_new_shapes", "weight_bytes", "arena_bytes", "stale_ns",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["creation", "file", *whole]).astype(dict.fromkeys(whole, "Int64"))


def _divided_creation(life: SessionLife) -> dict[str, int | None]:
    cost = life.creation
    watched = cost.whole.parts_ns if cost and not cost.whole.unwatched_ns else None
    parts = {name: None if watched is None else watched.get(part, 0) for name, part in _CREATION_PARTS.items()}
    return {**parts, "drain_stall_ns": cost.drain.stall_ns if cost and cost.drain else None}


def first_runs(analyses: Analyses) -> pd.DataFrame:
    """One row for each part of what a run took over a steady one: early runs, and later ones with new shapes.

    The parts of a run sum to its `excess_ns` exactly; `unexplained` is one of them.
    """
    import pandas as pd

    rows = [
        (life.session.index, cost.run, cost.position, cost.new_shapes != NONE, cost.compared_with, cost.excess_ns, part,
         more_ns)
        for life in analyses.sessions.lives
        for cost in (*life.first_runs.early, *life.first_runs.new_shapes)
        if cost.parts_ns is not None
        for part, more_ns in [*((part.value, ns) for part, ns in cost.parts_ns.items()),
                              ("unexplained", cost.unexplained_ns)]
    ]  # fmt: skip
    columns = ["session", "run", "index_in_session", "new_shapes", "compared_with", "excess_ns", "part", "more_ns"]
    whole = dict.fromkeys(("session", "run", "index_in_session", "compared_with", "excess_ns", "more_ns"), "Int64")
    return pd.DataFrame(rows, columns=columns).astype(whole | {"new_shapes": "boolean", "part": "string"})


def nodes(analyses: Analyses) -> pd.DataFrame:
    """One row a node of a session, the dearest first. What it was made of is known where there is a model.

    `operand_bytes_per_s` is the size of inputs and outputs over GPU time. From `launch_ns` on columns divide the host
    time of those executions that torch's profiler watched; for a node on a GPU that is launching, not its work.
    """
    import pandas as pd

    told = not doubt(analyses, Claim.NODE_TIME) and not doubt_of_waits(analyses)
    hosts = {host.node: host for host in analyses.node_hosts if told}
    rates = stated_bandwidth(analyses)
    rows = [
        {
            **asdict(node),
            "origin": origin_text(node),
            "weight_bytes": node.origin.weight_bytes if node.origin else None,
            "operand_bytes_per_s": None if rates[node.node] == NONE else int(rates[node.node]),
            **_divided_host(hosts.get(node.node)),
        }
        for node in stated_nodes(analyses).nodes
    ]
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(_MISSING_OF_NODES, "Int64")) if len(frame) else frame


def _divided_host(host: NodeHost | None) -> dict[str, int | None]:
    if host is None:
        return dict.fromkeys(_OF_HOST)
    parts = {name: host.parts_ns.get(part, 0) for name, part in _HOST_PARTS.items()}
    divided = {**parts, "own_code_ns": host.own_code_ns}
    rest_ns = host.own_ns - sum(divided.values())
    return {**divided, "other_calls_ns": rest_ns, "waits": host.waits, "stall_ns": host.stall_ns}


def operators(analyses: Analyses) -> pd.DataFrame:
    """One row an operator on a provider in a session, the dearest first."""
    import pandas as pd

    rows = [
        {
            "session": each.session,
            "op_type": each.op_type,
            "provider": each.provider,
            "category": each.category.value,
            **asdict(each.sums),
        }
        for each in stated_operators(analyses).operators
    ]
    columns = [
        "session", "op_type", "provider", "category", "nodes", "executions", "host_ns", "device_ns", "kernels", "share",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"device_ns": "Int64", "share": "Float64"})


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
    """One row a wait, in time order: what it is in the program (`WaitRole`), from which line, for which streams, what
    node their last work was of, and what it was needed for (`Need`)."""
    import pandas as pd

    waits, rows = analyses.waits, np.arange(len(analyses.waits))
    sites = lines_of(analyses.timeline, waits, rows)
    return pd.DataFrame(
        {
            "name": [analyses.timeline.names[name] for name in waits.name.tolist()],
            "waiter": waiter_labels(waits, rows),
            "role": [ROLES[role].value for role in waits.role.tolist()],
            "file": [site.file if site else "" for site in sites],
            "line": pd.Series([site.line if site else None for site in sites], dtype="Int64"),
            "waited_streams": waited_streams(waits, rows),
            "waited_node": waited_nodes(waits, rows),
            "start_ns": waits.start_ns,
            "end_ns": waits.end_ns,
            "stall_ns": _measured(waits.stall_ns),
            "need": [NEEDS[need].value for need in waits.need.tolist()],
            "run": _measured(waits.run),
        }
    )


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


def critical_paths(analyses: Analyses) -> pd.DataFrame:
    """One row a piece of the critical path of a run that was watched; durations sum to each run's latency."""
    import pandas as pd

    paths, timeline = analyses.critical_paths, analyses.timeline
    kinds = [PATH_KINDS[kind] for kind in paths.kind.tolist()]
    causes = [CAUSES[cause].value for cause in paths.cause.tolist()]
    node = np.where(paths.span == NONE, NONE, timeline.links.node[paths.span])
    return pd.DataFrame(
        {
            "run": paths.run,
            "start_ns": paths.start_ns,
            "end_ns": paths.end_ns,
            "duration_ns": paths.end_ns - paths.start_ns,
            "kind": [kind.value for kind in kinds],
            "cause": [cause if kind is PathKind.HOST else None for cause, kind in zip(causes, kinds, strict=True)],
            "span": _measured(paths.span),
            "node": _measured(node),
        }
    )


def what_ifs(analyses: Analyses) -> pd.DataFrame:
    """One row a change, what saves most first; none where nothing could be replayed or can be told."""
    import pandas as pd

    found = stated_what_ifs(analyses)
    rows = [
        {
            "change": change_text(change, analyses.timeline),
            "pace_ns": change.pace_ns,
            "low_ns": change.low_ns,
            "high_ns": change.high_ns,
            "saved_ns": found.pace_ns - change.pace_ns,
        }
        for change in (found.changes if found else ())
        if found
    ]
    return pd.DataFrame(rows, columns=["change", "pace_ns", "low_ns", "high_ns", "saved_ns"])


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
