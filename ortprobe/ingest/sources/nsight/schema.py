"""Which version of Nsight Systems wrote an export, and whether its tables are those that are read.

NVIDIA numbers the schema (User Guide, "SQLite Schema Reference"): columns and tables are added without notice, renamed
with the second number, and with the first "all scripts or queries will break". Seen: 2.7.1 in the guide of 2021.5,
3.0.0 in exports of 2022.4, 3.7.2 in 2023.4, 3.20.3 in 2025.3. Tables come into being with their first row, so one that
is not there is no sign of age.
"""

from __future__ import annotations

from collections.abc import Mapping

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.sources.nsight.sqlite_tables import SqliteTables

CALLS = "CUPTI_ACTIVITY_KIND_RUNTIME"
KERNELS = "CUPTI_ACTIVITY_KIND_KERNEL"
COPIES = "CUPTI_ACTIVITY_KIND_MEMCPY"
FILLS = "CUPTI_ACTIVITY_KIND_MEMSET"
SYNCS = "CUPTI_ACTIVITY_KIND_SYNCHRONIZATION"
EVENTS = "CUPTI_ACTIVITY_KIND_CUDA_EVENT"
NO_CALL = "holds no call of CUDA; profile with -t cuda,nvtx"
_STATED_IN = ("META_DATA_EXPORT", "EXPORT_META_DATA")
"""The latter until 2022."""
_NEWEST = 3
_PLACE = ("start", "end", "deviceId", "streamId", "correlationId")
_NEEDED = {
    CALLS: ("start", "end", "globalTid", "correlationId", "nameId"),
    KERNELS: _PLACE,
    COPIES: (*_PLACE, "bytes", "copyKind"),
    FILLS: (*_PLACE, "bytes"),
}


def check_schema(path: str, tables: SqliteTables) -> None:
    """Refuse what is no export, or one whose tables are not those of Nsight Systems 2021 to 2025.

    Raises:
        UnreadableInput: such a file, one without a call of CUDA, or a damaged one.
    """
    if "StringIds" not in tables:
        raise UnreadableInput(f"{path}: is no export of Nsight Systems (it has no table StringIds)")
    stated = stated_values(tables)
    schema = stated.get("EXPORT_SCHEMA_VERSION", "")
    first = schema.partition(".")[0]
    by = " ".join(("Nsight Systems", stated.get("EXPORT_PRODUCT_VERSION", ""))).strip()
    if first.isdecimal() and len(first) < 10 and int(first) > _NEWEST:
        detail = f"is an export of {by} with schema {schema}, and ortprobe reads those up to {_NEWEST}"
        raise UnreadableInput(f"{path}: {detail}; export the .nsys-rep with an nsys of 2022 to 2025")
    if CALLS not in tables:
        raise UnreadableInput(f"{path}: {NO_CALL}")
    for table, columns in _NEEDED.items():
        lacking = [column for column in columns if table in tables and not tables.has(table, column)]
        if lacking:
            detail = f"{table} has no column {lacking[0]}, as in no export of Nsight Systems 2021 to 2025"
            raise UnreadableInput(f"{path}: {detail}; export the recording again with one of these")


def stated_values(tables: SqliteTables) -> Mapping[str, str]:
    """What the export says of itself, such as `EXPORT_PRODUCT_VERSION`."""
    return {
        name: value
        for table in _STATED_IN
        for name, value in zip(tables.values(table, "name"), tables.values(table, "value"), strict=False)
    }
