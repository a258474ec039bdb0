"""Tables of an SQLite file from strangers, as NumPy columns: read and never executed, whatever the file holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.sources.files import BrokenStream, TraceFile, read_blocks
from ortprobe.timeline import NONE, Int64s

_MAGIC = b"SQLite format 3\0"
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
"""What a query may do (`sqlite3_set_authorizer`)."""
_IS_TABLE = "type = 'table' AND rootpage > 0"
"""Views and virtual tables, which run code for what the file says, are not read."""
_NUMBER = "CASE WHEN typeof(\"{0}\") IN ('integer', 'real') THEN CAST(\"{0}\" AS INTEGER) ELSE {1} END"


class SqliteTables:
    """An open SQLite file."""

    def __init__(self, name: str, connection: sqlite3.Connection) -> None:
        self._name, self._connection = name, connection
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            listed = connection.execute(f"SELECT name FROM sqlite_master WHERE {_IS_TABLE}").fetchall()
            self._columns = {table: self._columns_of(table) for (table,) in listed if isinstance(table, str)}
        except sqlite3.DatabaseError as error:
            raise UnreadableInput(f"{name}: is no SQLite file that can be read ({error})") from error
        connection.set_authorizer(_authorize)

    def __contains__(self, table: str) -> bool:
        return table in self._columns

    def has(self, table: str, column: str) -> bool:
        """Whether the table is there and has the column."""
        return column in self._columns.get(table, ())

    def columns(self, table: str, *names: str) -> Mapping[str, Int64s]:
        """Whole numbers, one column each, in the order of the table's rows. NONE where a value is no number or a
        column, or the whole table, is missing.

        Raises:
            UnreadableInput: the file is damaged.
        """
        there = [name for name in names if self.has(table, name)]
        found: NDArray[np.void] = np.zeros(0, [(name, np.int64) for name in there])
        if there:
            wanted = ", ".join(_NUMBER.format(name, NONE) for name in there)
            try:
                found = np.fromiter(self._connection.execute(f"SELECT {wanted} {_in_order(table)}"), found.dtype)
            except sqlite3.DatabaseError as error:
                raise self._damaged(error) from error
        return {
            name: np.ascontiguousarray(found[name]) if name in there else np.full(len(found), NONE, np.int64)
            for name in names
        }

    def rows(self, table: str, *names: str) -> Iterator[tuple[int, ...]]:
        """The same row by row. Raises as `columns` does."""
        found = self.columns(table, *names)
        yield from zip(*(found[name].tolist() for name in names), strict=True)

    def texts(self, table: str, key: str, value: str) -> Mapping[int, str]:
        """Texts by number; empty where the table lacks one of the columns. Raises as `columns` does."""
        if not (self.has(table, key) and self.has(table, value)):
            return {}
        rows = self._rows(f'SELECT "{key}", "{value}" {_in_order(table)}')
        return {number: text for number, text in rows if isinstance(number, int) and isinstance(text, str)}

    def values(self, table: str, column: str) -> list[str]:
        """One column as texts in the order of the table's rows, empty for what is no text; empty without the column.
        Raises as `columns` does."""
        if not self.has(table, column):
            return []
        rows = self._rows(f'SELECT "{column}" {_in_order(table)}')
        return [value if isinstance(value, str) else "" for (value,) in rows]

    def _rows(self, query: str) -> Iterator[tuple[object, ...]]:
        try:
            yield from self._connection.execute(query)
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.DatabaseError) -> UnreadableInput:
        return UnreadableInput(f"{self._name}: is damaged ({error}); export it again")

    def _columns_of(self, table: str) -> tuple[str, ...]:
        quoted = table.replace('"', '""')
        return tuple(str(row[1]) for row in self._connection.execute(f'PRAGMA table_info("{quoted}")'))


@contextmanager
def open_sqlite(path: Path) -> Iterator[SqliteTables]:
    """The tables of a file, plain or compressed (gzip, zstd), read-only: nothing is written beside it.

    Raises:
        UnreadableInput: not there, no SQLite file, or cut off.
    """
    connection = _connected(path)
    try:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        yield SqliteTables(str(path), connection)
    finally:
        connection.close()


def _in_order(table: str) -> str:
    """An index that somebody put on a column would give that column alone in another order."""
    return f'FROM "{table}" NOT INDEXED'


def _connected(path: Path) -> sqlite3.Connection:
    blocks = read_blocks(TraceFile.at(path))
    try:
        first = next(blocks, b"")
        if _is_plain(path):
            return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        content = b"".join((first, *blocks))
    except BrokenStream as error:
        raise UnreadableInput(f"{path}: {error}; copy it again") from error
    except sqlite3.Error as error:
        raise UnreadableInput(f"{path}: can't be read ({error})") from error
    if not content.startswith(_MAGIC):
        raise UnreadableInput(f"{path}: is no SQLite file; make one with nsys export --type sqlite")
    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    return connection


def _is_plain(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _authorize(action: int, _first: str | None, second: str | None, *_: str | None) -> int:
    allowed = action in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and second == "typeof")
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
