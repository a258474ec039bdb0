"""The Timeline's tables as a folder of Parquet files, one a table, with what each column means in the files' schema."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ortprobe.errors import OutputExists, UsageError
from ortprobe.timeline.columns import Column, columns_of, index_of, table_meaning
from ortprobe.timeline.frames import TABLES, Frames

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMNS_FILE = "columns.md"
_FILES = {COLUMNS_FILE, *(f"{table}.parquet" for table in TABLES)}
_COMPRESSION = "zstd"

_INTRODUCTION = """\
# What the columns mean

`NAME.parquet` holds one table; the same texts are in its schema, as `description` and `unit` of each field. The first
column of each table numbers its rows: columns of that name in other tables hold such a number, and so do `launch` and
everything that ends in `_span`, of `spans`. Where a text below says NONE or None, a table has a missing value (null).
Times are nanoseconds: Unix epoch, or durations. Lists and options are JSON.
"""


def require_pyarrow() -> None:
    """Refuse to begin what can't be done.

    Raises:
        UsageError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise UsageError("Parquet is written by pyarrow, which is not installed here: pip install 'ortprobe[parquet]'")


def write_parquet(frames: Frames, folder: Path, *, force: bool = False) -> None:
    """Write every table as `folder/NAME.parquet`, and `columns.md`: all of them, or nothing at all.

    `force` replaces a folder that was written before; never one that holds anything else.

    Raises:
        OutputExists: the folder is already there and `force` is not set.
        UsageError: pyarrow is not installed, or the folder can't be written or replaced.
    """
    require_pyarrow()
    check_folder(folder, force=force)
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir()
        try:
            _write_tables(frames, partial)
            _put(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"{folder}: can't be written ({error.strerror or error}); choose another with -o") from error


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder that is already there, before the work of making it is done.

    Raises:
        OutputExists: it is already there and `force` is not set.
        UsageError: it is not what `write_parquet` wrote, so that it can't be replaced.
    """
    if not os.path.lexists(folder):
        return
    if not force:
        raise OutputExists(f"{folder}: already there; choose another with -o, or overwrite it with --force")
    if folder.is_symlink() or not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; choose another with -o")
    others = sorted({path.name for path in folder.iterdir()} - _FILES)
    if others:
        raise UsageError(f"{folder}: holds {others[0]}, which is no table of ortprobe's; choose another with -o")


def columns_markdown() -> str:
    """Every table and column as Markdown: what it means, its unit, and the values of those that have few."""
    return "\n".join([_INTRODUCTION, *(line for table in TABLES for line in _table_lines(table))])


def _write_tables(frames: Frames, folder: Path) -> None:
    """Into open files: pyarrow takes a path for a URI, and refuses one that is not UTF-8 (pyarrow 17 to 26)."""
    import pyarrow.parquet as pq

    for name, frame in frames.tables().items():
        with (folder / f"{name}.parquet").open("wb") as file:
            pq.write_table(_arrow_table(name, frame), file, compression=_COMPRESSION)
    (folder / COLUMNS_FILE).write_text(columns_markdown(), encoding="utf-8")


def _arrow_table(name: str, frame: pd.DataFrame) -> pa.Table:
    """Index first, as a column of its own: readers that know nothing of pandas join by it."""
    import pyarrow as pa

    bare = pa.Table.from_pandas(frame, preserve_index=True)
    columns = (index_of(name), *columns_of(name))
    arrays = [_typed(bare.column(column.name)) for column in columns]
    described = [
        pa.field(column.name, array.type, metadata=_metadata(column))
        for column, array in zip(columns, arrays, strict=True)
    ]
    metadata = {**(bare.schema.metadata or {}), b"description": table_meaning(name).encode()}
    return pa.Table.from_arrays(arrays, schema=pa.schema(described, metadata=metadata))


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names where there are none are text all the same; pyarrow infers a type of nothing."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type) or not pa.types.is_null(column.type.value_type):
        return column
    names = pa.DictionaryArray.from_arrays(pa.nulls(len(column), pa.int32()), pa.array([], pa.string()))
    return pa.chunked_array([names])


def _metadata(column: Column) -> dict[str, str]:
    return {"description": column.meaning, **({"unit": column.unit} if column.unit else {})}


def _put(partial: Path, folder: Path) -> None:
    """Move a complete folder to its place; what was there goes only when it is."""
    if not folder.exists():
        partial.rename(folder)
        return
    before = folder.with_name(f"{folder.name}.{os.getpid()}.before")
    folder.rename(before)
    try:
        partial.rename(folder)
    except OSError:
        before.rename(folder)
        raise
    shutil.rmtree(before)


def _table_lines(table: str) -> Iterable[str]:
    columns = (index_of(table), *columns_of(table))
    yield from (f"## {table}", "", table_meaning(table), "", "| column | unit | |", "|---|---|---|")
    yield from (f"| `{column.name}` | {column.unit} | {_cell(column.meaning)} |" for column in columns)
    for column in columns:
        if column.values:
            yield from ("", f"`{column.name}` is one of:", "")
            yield from (f"* `{value}`" + (f": {text}" if text else "") for value, text in column.values.items())
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
