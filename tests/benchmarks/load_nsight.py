"""How long an export of Nsight Systems takes to load, beside reading its tables into pandas.

    python tests/benchmarks/load_nsight.py [EVENTS]

The recording of `tests/data/h100-nsys`, its events laid end to end until there are EVENTS (1,000,000).
"""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from ortprobe.ingest import load_files

RECORDING = Path(__file__).parents[1] / "data" / "h100-nsys" / "capture.sqlite.gz"
_TIMED = ("RUNTIME", "KERNEL", "MEMCPY", "MEMSET", "SYNCHRONIZATION", "CUDA_EVENT")


def enlarge(path: Path, events: int) -> int:
    """Repeat all events; returns how many there are then."""
    with closing(sqlite3.connect(path)) as file:
        tables = [f"CUPTI_ACTIVITY_KIND_{name}" for name in _TIMED]
        count = sum(file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
        bounds = "SELECT min(start), max(end), max(correlationId) FROM CUPTI_ACTIVITY_KIND_RUNTIME"
        first_ns, last_ns, last_id = file.execute(bounds).fetchone()
        copies = -(-events // count)
        file.execute(f"CREATE TEMP TABLE copies AS WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n "
                     f"WHERE k < {copies - 1}) SELECT k FROM n")  # fmt: skip
        for table in tables:
            names = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
            shift = {
                "start": f"start + k * {last_ns - first_ns}",
                "end": f"end + k * {last_ns - first_ns}",
                "correlationId": f"correlationId + k * {last_id}",
                "eventSyncId": "CASE WHEN eventSyncId IN (0, 4294967295) THEN eventSyncId "
                "ELSE eventSyncId + k * 1000 END",
            }
            wanted = ", ".join(shift.get(name, f'"{name}"') for name in names)
            file.execute(f"INSERT INTO {table} SELECT {wanted} FROM copies, {table}")
        file.commit()
        return copies * count


def main(events: int) -> None:
    """Print both times, whole and as a ratio."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "capture.sqlite"
        with gzip.open(RECORDING) as packed, path.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        count = enlarge(path, events)
        begin = time.perf_counter()
        timeline = load_files(nsys=[path])
        ours_s = time.perf_counter() - begin
        assert not [one for one in timeline.problems if one.kind.value.startswith("wait")]
        begin = time.perf_counter()
        with closing(sqlite3.connect(path)) as file:
            for name in _TIMED:
                pd.read_sql_query(f"SELECT * FROM CUPTI_ACTIVITY_KIND_{name}", file)
        pandas_s = time.perf_counter() - begin
        print(f"{count:,} events, {path.stat().st_size / 1e6:.0f} MB: to a Timeline {ours_s:.2f} s, tables to pandas "
              f"{pandas_s:.2f} s, ratio {ours_s / pandas_s:.2f}")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
