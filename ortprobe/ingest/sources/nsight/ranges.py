"""NVTX ranges in an export of Nsight Systems."""

from __future__ import annotations

import numpy as np

from ortprobe.bundle import NVTX_DOMAIN, PROGRAM_RANGE, RUN_MARK
from ortprobe.ingest.sources.hook_log import RUN_CALLS
from ortprobe.ingest.sources.nsight.rows import NsightRows, process_of
from ortprobe.ingest.sources.nsight.sqlite_tables import SqliteTables
from ortprobe.timeline import NONE, Kind

_TABLE = "NVTX_EVENTS"
_PUSH_POP, _START_END, _DOMAIN = 59, 60, 75
"""`ENUM_NSYS_EVENT_TYPE`."""


def add_ranges(rows: NsightRows, tables: SqliteTables) -> None:
    """Ranges of every domain, as annotations named `domain:text`; of our own, those of runs by the mark that they have
    in torch's trace, and not the one while which nsys records: it is open before anything is there to see."""
    found = tables.columns(
        _TABLE, "start", "end", "eventType", "globalTid", "textId", "domainId", "uint64Value", "int64Value"
    )
    inline = tables.values(_TABLE, "text") or [""] * len(found["start"])
    texts = [text or rows.text(number) for text, number in zip(inline, found["textId"].tolist(), strict=True)]
    domains = list(zip(process_of(found["globalTid"]).tolist(), found["domainId"].tolist(), strict=True))
    payloads = np.where(found["uint64Value"] == NONE, found["int64Value"], found["uint64Value"]).tolist()
    names_of_domains = {domains[row]: texts[row] for row in np.flatnonzero(found["eventType"] == _DOMAIN).tolist()}
    is_range = np.isin(found["eventType"], (_PUSH_POP, _START_END)) & (found["end"] != NONE)
    shown: list[int] = []
    names: list[int] = []
    for row in np.flatnonzero(is_range).tolist():
        domain, text = names_of_domains.get(domains[row], ""), texts[row]
        if (domain, text) != (NVTX_DOMAIN, PROGRAM_RANGE):
            shown.append(row)
            names.append(rows.name(_name(domain, text, payloads[row])))
    own = {column: values[shown] for column, values in found.items()}
    rows.add(Kind.ANNOTATION, own, name=np.array(names, np.int32), place=own["globalTid"])


def _name(domain: str, text: str, payload: int) -> str:
    if domain == NVTX_DOMAIN and text in RUN_CALLS and payload != NONE:
        return f"{RUN_MARK}{payload}"
    return f"{domain}:{text}" if domain else text
