"""What the columns of the Timeline's tables mean: read from the docstrings and type hints of their classes.

The docstring below an attribute is not kept by Python, so it is read from the source of the class.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum, StrEnum
from functools import cache
from itertools import pairwise
from textwrap import dedent
from types import ModuleType
from typing import Annotated, get_args, get_origin, get_type_hints

from ortprobe.timeline.model import Lane, Timeline
from ortprobe.timeline.spans import Spans
from ortprobe.timeline.tables import Links

_UNITS = ("ns", "bytes")
_INDICES = ("span", "index")
"""Attributes that number the rows of their table."""
_OF_LANE = {"label": "lane_label", "process": "process", "thread": "thread", "device": "device", "stream": "stream"}
"""Attributes of a span's lane → their columns in the table of spans."""
_FIRST = ("kind", "name", "lane_label", "start_ns", "end_ns", "duration_ns")
"""Columns that people look at first, where a table has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    owner: type
    """The class that documents it."""
    attribute: str
    """What it is called there; empty for the number of a row, which no attribute holds."""

    @property
    def is_index(self) -> bool:
        """Whether it numbers the rows."""
        return not self.attribute or self.attribute in _INDICES

    @property
    def meaning(self) -> str:
        """One line; empty when the attribute has no docstring."""
        return attribute_docs(self.owner).get(self.attribute, "") if self.attribute else "Number of the row."

    @property
    def values(self) -> Mapping[str, str]:
        """What a column of few values holds, each with its meaning; empty for other columns."""
        kind = self.stands_for or self.hint
        if not (isinstance(kind, type) and issubclass(kind, Enum)):
            return {}
        docs = attribute_docs(kind)
        return {label_of(member): docs.get(member.name, "") for member in kind}

    @property
    def unit(self) -> str:
        """`ns`, `bytes`, or nothing for ids, counts and names: quantities have their unit in their name."""
        end = self.name.rpartition("_")[2]
        return end if end in _UNITS else ""

    @property
    def hint(self) -> object:
        """Type hint of the attribute, with what an `Annotated` says."""
        if not self.attribute:
            return int
        if isinstance(inspect.getattr_static(self.owner, self.attribute), property):
            return _hints(getattr(self.owner, self.attribute).fget)["return"]
        return _hints(self.owner)[self.attribute]

    @property
    def stands_for(self) -> object:
        """What the numbers of a column stand for: an enum, or `InNames`; None where they are what they are."""
        return get_args(self.hint)[1] if get_origin(self.hint) is Annotated else None


def label_of(member: Enum) -> str:
    """A member of an enum as people read it: `KERNEL` where the model has numbers, `torch-trace` where it has texts."""
    return member.value if isinstance(member, StrEnum) else member.name


def row_class(table: str) -> type:
    """The class whose attributes are the columns of this table of the Timeline: `nodes` → Nodes, `lanes` → Lane."""
    hint = get_type_hints(Timeline)[table]
    found = get_args(hint)[0] if get_args(hint) else hint
    assert isinstance(found, type)
    return found


def table_meaning(table: str) -> str:
    """What the rows of a table of the Timeline are, on one line."""
    return " ".join((inspect.getdoc(row_class(table)) or "").partition("\n\n")[0].split())


def columns_of(table: str) -> tuple[Column, ...]:
    """The columns of a table of the Timeline, without the one that numbers its rows.

    The table of spans has what `Links` says of each span and what is known of its lane, too.
    """
    owner = row_class(table)
    columns = [column for column in _attributes(owner) if column.name not in _INDICES]
    if owner is Spans:
        duration = Column(name="duration_ns", owner=Spans, attribute="duration_ns")
        of_lane = [Column(name=name, owner=Lane, attribute=attribute) for attribute, name in _OF_LANE.items()]
        hooked = Column(name="hook_span", owner=Timeline, attribute="hook_span_of_each")
        of_links = [hooked if column.name == "hook" else column for column in _attributes(Links)]
        columns = [*columns, duration, *of_lane, *of_links]
    first = [column for name in _FIRST for column in columns if column.name == name]
    return (*first, *(column for column in columns if column not in first))


def index_of(table: str) -> Column:
    """What numbers the rows of a table: the span that a row is about, or the row itself, named in the singular."""
    owner = row_class(table)
    attribute = next((column.name for column in _attributes(owner) if column.name in _INDICES), "")
    return Column(name="span" if attribute == "span" else table.removesuffix("s"), owner=owner, attribute=attribute)


@cache
def attribute_docs(owner: type | ModuleType) -> Mapping[str, str]:
    """The docstrings of a class's attributes and properties, or of a module's constants, each on one line.

    Raises:
        OSError: the source is not there.
    """
    body = ast.parse(dedent(inspect.getsource(owner))).body
    if isinstance(owner, type):
        (definition,) = body
        assert isinstance(definition, ast.ClassDef)
        body = definition.body
    found = {}
    for statement, following in pairwise([*body, ast.Pass()]):
        if isinstance(statement, ast.FunctionDef):
            found[statement.name] = ast.get_docstring(statement) or ""
        elif isinstance(statement, ast.AnnAssign | ast.Assign) and isinstance(following, ast.Expr):
            target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
            if isinstance(target, ast.Name) and isinstance(following.value, ast.Constant):
                found[target.id] = str(following.value.value)
    return {name: " ".join(text.split()) for name, text in found.items()}


@cache
def _hints(annotated: Callable[..., object]) -> Mapping[str, object]:
    return get_type_hints(annotated, include_extras=True)


def _attributes(owner: type) -> list[Column]:
    return [Column(name=field.name, owner=owner, attribute=field.name) for field in fields(owner)]
