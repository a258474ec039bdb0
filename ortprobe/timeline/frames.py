"""The Timeline as pandas DataFrames, for questions that no report answers.

What the model says with numbers is said readably here: names and kinds are Categoricals, and NONE and None, "no such
thing" and "not measured", are missing values. Everything is derived from the tables' columns, so a column that is added
to a table is in its frame.

All numbers are of pandas' nullable types. A join that finds no partner would make floats of an int64 column, and a
float64 holds times since 1970 to 256 ns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ortprobe.timeline.columns import Column, columns_of, index_of, label_of
from ortprobe.timeline.model import Lane, Site, Timeline
from ortprobe.timeline.spans import NONE, InNames
from ortprobe.timeline.tables import Links

if TYPE_CHECKING:
    import pandas as pd

    Values: TypeAlias = "NDArray[Any] | pd.api.extensions.ExtensionArray"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Frames:
    """One DataFrame for each table of the Timeline; `describe()` says what each column means.

    The index numbers the rows of a table: `span` where a row is about one span, else `node`, `run`, `session`, `lane`,
    `source` …, which is what columns of that name hold. So joins need no more than a name::

        frames.device_ops.join(frames.spans[["name", "duration_ns", "run"]]).join(frames.runs.session, on="run")

    Times are whole nanoseconds: Unix epoch, or durations.
    """

    spans: pd.DataFrame
    device_ops: pd.DataFrame
    waits: pd.DataFrame
    nodes: pd.DataFrame
    node_spans: pd.DataFrame
    hooks: pd.DataFrame
    handovers: pd.DataFrame
    tensor_uses: pd.DataFrame
    runs: pd.DataFrame
    sessions: pd.DataFrame
    lanes: pd.DataFrame
    problems: pd.DataFrame
    clocks: pd.DataFrame
    sources: pd.DataFrame

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Every frame by its name."""
        return {name: getattr(self, name) for name in TABLES}

    def describe(self) -> pd.DataFrame:
        """One row a column of any table: its table, type, unit and meaning, as the Timeline's classes document it."""
        import pandas as pd

        rows = [
            (name, column.name, str(frame.index.dtype if column.is_index else frame[column.name].dtype), column.unit,
             column.meaning)
            for name, frame in self.tables().items()
            for column in (index_of(name), *columns_of(name))
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["table", "column", "type", "unit", "meaning"])

    def __repr__(self) -> str:
        rows = ", ".join(f"{name}: {len(frame):,}" for name, frame in self.tables().items())
        return f"Frames({rows})"


TABLES = tuple(field.name for field in fields(Frames))
"""The tables of the Timeline that have a frame, by the names of its attributes."""


def to_frames(timeline: Timeline) -> Frames:
    """Every table of a timeline as a DataFrame that shares no memory with it."""
    return Frames(**{table: _frame(timeline, table) for table in TABLES})


def _frame(timeline: Timeline, table: str) -> pd.DataFrame:
    import pandas as pd

    rows = getattr(timeline, table)
    columns = {column.name: _values(timeline, rows, column) for column in columns_of(table)}
    index = index_of(table)
    numbers = rows.span.astype(np.int64) if index.attribute == "span" else pd.RangeIndex(len(rows))
    return pd.DataFrame(columns, index=pd.Index(numbers, name=index.name))


def _values(timeline: Timeline, rows: object, column: Column) -> Values:
    if isinstance(rows, tuple):
        return _of_objects([getattr(row, column.attribute) for row in rows], column)
    if column.owner is Lane:
        of_lanes = [getattr(lane, column.attribute) for lane in timeline.lanes]
        lane = timeline.spans.lane
        return _names(lane, of_lanes) if column.hint is str else _of_objects(of_lanes, column)[lane]
    owner = {Links: timeline.links, Timeline: timeline}.get(column.owner, rows)
    return _of_numbers(getattr(owner, column.attribute), column, timeline.names)


def _of_numbers(numbers: NDArray[Any], column: Column, names: Sequence[str]) -> Values:
    """A column of the model as what its numbers stand for. A quantity can be -1, if its documentation knows no NONE."""
    import pandas as pd

    stands_for = column.stands_for
    if stands_for is InNames:
        return _names(numbers, names)
    if isinstance(stands_for, type) and issubclass(stands_for, IntEnum):
        members = tuple(stands_for)
        code_of = np.full(np.iinfo(np.uint8).max + 1, NONE, np.int8)
        code_of[list(members)] = range(len(members))
        return pd.Categorical.from_codes(code_of[numbers], categories=_texts(map(label_of, members)))
    if numbers.dtype.kind == "b":
        return pd.array(numbers, dtype="boolean")
    can_be_empty = not column.unit or "NONE" in column.meaning
    is_missing = numbers == NONE if can_be_empty else np.zeros(len(numbers), np.bool_)
    return pd.arrays.IntegerArray(numbers, is_missing)


def _names(indices: NDArray[Any], names: Sequence[str]) -> pd.Categorical[str]:
    """Indices in `names` as names; the categories are those that occur, sorted. Two may read the same (`_text`)."""
    import pandas as pd

    occurs = np.zeros(len(names) + 1, np.bool_)
    occurs[indices] = True
    text_of = {number: _text(names[number]) for number in np.flatnonzero(occurs[:NONE]).tolist()}
    categories = sorted(set(text_of.values()))
    code_of_text = {text: code for code, text in enumerate(categories)}
    code_of = np.full(len(names) + 1, NONE, np.int32)
    code_of[list(text_of)] = [code_of_text[text] for text in text_of.values()]
    return pd.Categorical.from_codes(code_of[indices], categories=_texts(categories))


def _of_objects(objects: Sequence[Any], column: Column) -> Values:
    """Attributes of objects as a column. Sites are `file:line`, lists and options JSON."""
    import pandas as pd

    kind = get_args(column.hint)[0] if isinstance(column.hint, UnionType) else column.hint
    if kind is int:
        empty = () if column.unit else (NONE,)
        return pd.array([None if number in empty else number for number in objects], dtype="Int64")
    if kind is bool:
        return pd.array(objects, dtype="boolean")
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return pd.Categorical([label_of(member) for member in objects], categories=_texts(map(label_of, kind)))
    return pd.array([None if each is None else _text(_written(each)) for each in objects], dtype="string")


def _written(value: object) -> str:
    if isinstance(value, Site):
        return f"{value.file}:{value.line}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _texts(texts: Iterable[str]) -> pd.Index[str]:
    import pandas as pd

    return pd.Index(list(texts), dtype=str)


def _text(text: str) -> str:
    """Half a surrogate pair, as in a path that is not UTF-8, can be kept in no column of Arrow's."""
    return text.encode("utf-8", "replace").decode()
