"""NVTX ranges in an export of Nsight Systems."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ortprobe.ingest.sources.hook_log import RUN_CALLS
from ortprobe.ingest.sources.nsight_rows import PROCESS_MASK, PROCESS_SHIFT, NsightRows
from ortprobe.ingest.sources.sqlite_tables import SqliteTables
from ortprobe.timeline import NONE, Int64s, Kind

OWN_DOMAIN = "ortprobe"
PROGRAM_RANGE = f"{OWN_DOMAIN}:program"
RUN_MARKER = "ortprobe.run#"
"""How the range of a run is called in torch's traces: with its number, by which the hooked call is found."""
_TABLE = "NVTX_EVENTS"
_PUSH_POP, _START_END, _DOMAIN = 59, 60, 75
"""`ENUM_NSYS_EVENT_TYPE`."""


def add_ranges(rows: NsightRows, tables: SqliteTables) -> None:
    """Ranges of every domain, as annotations named `domain:text`; of our own, those of runs by their number alone, and
    not the one while which nsys records: it is open before anything is there to see."""
    found = tables.columns(
        _TABLE, "start", "end", "eventType", "globalTid", "textId", "domainId", "uint64Value", "int64Value"
    )
    texts = tables.values(_TABLE, "text") or [""] * len(found["start"])
    domains = _domains(rows, found, texts)
    ranges = np.flatnonzero(np.isin(found["eventType"], (_PUSH_POP, _START_END)) & (found["end"] != NONE))
    names = [
        _name(_domain(found, row, domains), _text(rows, found, row, texts), _payload(found, row))
        for row in ranges.tolist()
    ]
    shown = np.array([name != PROGRAM_RANGE for name in names], np.bool_)
    own = {column: values[ranges[shown]] for column, values in found.items()}
    numbers = [rows.name(name) for name in names if name != PROGRAM_RANGE]
    rows.add(Kind.ANNOTATION, own, name=np.array(numbers, np.int32), place=own["globalTid"])


def _domains(rows: NsightRows, found: Mapping[str, Int64s], texts: list[str]) -> dict[tuple[int, int], str]:
    """The names of domains by process and number; the default domain, 0, has none."""
    return {
        (_process(found, row), int(found["domainId"][row])): _text(rows, found, row, texts)
        for row in np.flatnonzero(found["eventType"] == _DOMAIN).tolist()
    }


def _name(domain: str, text: str, payload: int) -> str:
    if domain == OWN_DOMAIN and text in RUN_CALLS and payload != NONE:
        return f"{RUN_MARKER}{payload}"
    return f"{domain}:{text}" if domain else text


def _domain(found: Mapping[str, Int64s], row: int, domains: Mapping[tuple[int, int], str]) -> str:
    return domains.get((_process(found, row), int(found["domainId"][row])), "")


def _process(found: Mapping[str, Int64s], row: int) -> int:
    return (int(found["globalTid"][row]) >> PROCESS_SHIFT) & PROCESS_MASK


def _text(rows: NsightRows, found: Mapping[str, Int64s], row: int, texts: list[str]) -> str:
    return texts[row] or rows.texts.get(int(found["textId"][row]), "unnamed")


def _payload(found: Mapping[str, Int64s], row: int) -> int:
    unsigned, signed = int(found["uint64Value"][row]), int(found["int64Value"][row])
    return unsigned if unsigned != NONE else signed
