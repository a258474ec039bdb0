"""Mending single events that exporters are known to have written as invalid JSON.

* Control characters in names (Kineto until 2025-01), bare quotes in names (until torch 2.14, pytorch issue 146900),
  backslashes that escape nothing (ORT before 1.20 wrote node names as they are).
* `inf` and `nan` as C++ prints them (`"memory bandwidth (GB/s)": inf` for a copy of no length).
* Bytes that are no UTF-8, and halves of surrogate pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CONTROL = re.compile(rb"[\x00-\x1f]")
_NO_BLANK = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
STRING = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
"""A JSON string, to its end or that of the text: possessive, and never tried from another place inside of it, so that
neither memory nor time is the square of its length."""
_NO_NUMBER = re.compile(rb"(:\s*)[-+]?(?:nan|inf(?:inity)?)\b(?:\(\w*\))?", re.IGNORECASE)
_NO_ESCAPE = re.compile(rb'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})|(\\\\)')
_HALF_PAIR = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_NAME = re.compile(rb'"name"\s*:\s*"')
_NAME_END = re.compile(rb'"\s*(?:,\s*"(?:ph|cat|pid|tid|ts|dur|id|args|s|bp)"\s*:|\}\s*$)')
_BARE_QUOTE = re.compile(rb'(?<!\\)((?:\\\\)*+)"')


def repaired(event: bytes) -> Iterator[bytes]:
    """The event as it was meant, by more and more daring guesses; the caller tries each."""
    plain = _NO_BLANK.sub(_escaped, event)
    plain = _NO_NUMBER.sub(rb"\1null", plain).decode("utf-8", "replace").encode()
    plain = _NO_ESCAPE.sub(lambda match: match[1] or rb"\\", plain)
    plain = _HALF_PAIR.sub(lambda match: b"?" if match[1] else match[0], plain)
    yield STRING.sub(lambda match: _CONTROL.sub(_escaped, match[0]), plain)
    yield _with_quoted_names(plain)


def _with_quoted_names(event: bytes) -> bytes:
    """Where no end is found behind one name, none is behind the next."""
    parts, done = [], 0
    while (name := _NAME.search(event, done)) and (end := _NAME_END.search(event, name.end())):
        parts += [event[done : name.end()], _quoted(event[name.end() : end.start()]), end[0]]
        done = end.end()
    return b"".join((*parts, event[done:]))


def _quoted(name: bytes) -> bytes:
    return _CONTROL.sub(_escaped, _BARE_QUOTE.sub(rb'\1\\"', name))


def _escaped(control: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % control[0][0]
