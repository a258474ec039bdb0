"""Which line of the program is behind a call that a pool's thread made: the one that submitted the work."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from ortprobe.bundle import AnyRecord, Call, Handover

_POOL = ("/concurrent/futures/thread.py", "/threading.py")
"""Where a thread's stack begins when the program gave it a function of onnxruntime itself to call."""
_NEWEST = 1 << 62


def submitting_sites(calls: Sequence[Call], records: Sequence[AnyRecord]) -> list[str]:
    """The site of each call; of what submitted it, where its own is the standard library's.

    Hand-overs are recorded inside windows alone. A call outside gets the line that submitted all calls of its kind and
    session inside, if that was a single one, and keeps its own otherwise.
    """
    found = _handed_over(calls, records)
    lines: dict[tuple[str, int], set[str]] = defaultdict(set)
    for call, site in zip(calls, found, strict=True):
        if site:
            lines[call.what, call.session].add(site)
    return [
        site or (next(iter(own)) if _is_pools(call) and len(own := lines[call.what, call.session]) == 1 else call.site)
        for call, site in zip(calls, found, strict=True)
    ]


def _handed_over(calls: Sequence[Call], records: Sequence[AnyRecord]) -> list[str]:
    """For calls of a pool, the line that submitted what their thread was last given to do; "" for the others."""
    sites = {one.token: one.site for one in records if isinstance(one, Handover) and one.what == "future.submit"}
    tasks: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for record in records:
        if isinstance(record, Handover) and record.what == "future.run":
            tasks[record.thread].append((record.at_ns, record.token))
    for own in tasks.values():
        own.sort()
    found = []
    for call in calls:
        own = tasks[call.thread] if _is_pools(call) else []
        at = bisect_right(own, (call.start_ns, _NEWEST)) - 1
        found.append(sites.get(own[at][1], "") if at >= 0 else "")
    return found


def _is_pools(call: Call) -> bool:
    return call.site.rpartition(":")[0].endswith(_POOL)
