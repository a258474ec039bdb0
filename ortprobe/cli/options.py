"""Values of options that click has no type for."""

from __future__ import annotations

import re

import click

_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>MB|GB|MiB|GiB)", re.IGNORECASE)
_UNITS = {"mb": 10**6, "gb": 10**9, "mib": 1 << 20, "gib": 1 << 30}


def parse_shapes(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """`x=8,3,224,224` → `{"x": (8, 3, 224, 224)}`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for value in values:
        name, _, sizes = value.rpartition("=")
        try:
            shapes[name] = tuple(int(size) for size in sizes.split(",")) if sizes else ()
        except ValueError:
            name = ""
        if not name or any(size < 0 for size in shapes[name]):
            raise click.BadParameter(f"{value!r}: write NAME=SIZE,SIZE,…, for example x=8,3,224,224")
    return shapes


def parse_dims(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    """`N=8` → `{"N": 8}`."""
    dims: dict[str, int] = {}
    for value in values:
        name, _, size = value.rpartition("=")
        if not name or not size.isdecimal():
            raise click.BadParameter(f"{value!r}: write NAME=SIZE, for example N=8")
        dims[name] = int(size)
    return dims


def parse_size(_ctx: click.Context, _option: click.Parameter, value: str) -> int:
    """`500MB` → 500,000,000; `2GiB` → 2,147,483,648."""
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"{value!r}: write a number and MB or GB, for example 500MB")
    return int(float(match["number"]) * _UNITS[match["unit"].lower()])
