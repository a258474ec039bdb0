"""Names of kernels as torch's profiler spells them, from how Nsight Systems does.

Both come from the same mangled names. Nsight Systems writes the types of a template's parameters as `T1`, `T2` …,
casts in front of numbers and `const` in front of types; torch's profiler calls `abi::__cxa_demangle`. Of 43 kernels of
onnxruntime, torch, cuDNN and cuBLAS whose names differ, 41 come out as that function gives them. Left alone are names
with lambdas or functions among a template's arguments, which is the other two, and with pointers to functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_LONGEST = 20_000
"""Putting arguments in for `T1` can make a name much longer than it was."""
_DEEPEST = 100
_UNNAMED, _STAND_IN = "<unnamed>", "\0"
_NUMBER = re.compile(r"\(([\w:<> ]+)\)(-?\d+)")
_SUFFIXES = {
    "int": "", "unsigned int": "u", "long": "l", "unsigned long": "ul", "long long": "ll", "unsigned long long": "ull",
}  # fmt: skip
_POINTER = re.compile(r"[*&]|const")
_POINTER_AT_END = re.compile(r"(?:[*&]|\bconst)\Z")
_WORDS = re.compile(rf"[\w: {_STAND_IN}]*")
_PARAMETER = re.compile(r"\bT(\d+)\b")


class _Unknown(ValueError):
    """A form of name that is not rewritten."""


def as_torch_spells_it(name: str) -> str:
    """A kernel's name with the spelling of torch's profiler, or as it is."""
    plain = name.endswith(")") and _STAND_IN not in name and len(name) <= _LONGEST and name.count("<") <= _DEEPEST
    if not plain:
        return name
    try:
        spelt = _function(name.replace(_UNNAMED, _STAND_IN))
    except _Unknown:
        return name
    return spelt.replace(_STAND_IN, "(anonymous namespace)") if len(spelt) <= _LONGEST else name


def _function(name: str) -> str:
    opened = _opening(name, len(name) - 1, "()")
    head, parameters = name[:opened], _split(name[opened + 1 : -1])
    arguments: list[str] = []
    if head.endswith(">"):
        begin = _opening(head, len(head) - 1, "<>")
        arguments = [_argument(each) for each in _split(head[begin + 1 : -1])]
        head = _plain(head[:begin]) + _in_brackets(arguments)
    else:
        _plain(head)
    substituted = [
        _PARAMETER.sub(lambda match: _chosen(arguments, int(match[1])), each) for each in map(_type, parameters)
    ]
    return f"{head}({', '.join(substituted)})"


def _chosen(arguments: Sequence[str], number: int) -> str:
    if not 0 < number <= len(arguments):
        raise _Unknown
    return arguments[number - 1]


def _argument(text: str) -> str:
    """A type, or a number with its type in front."""
    number = _NUMBER.fullmatch(text)
    if number is None:
        return _type(text)
    if number[1] == "bool":
        return "true" if number[2] == "1" else "false"
    return number[2] + _SUFFIXES[number[1]] if number[1] in _SUFFIXES else text


def _type(text: str) -> str:
    """`const T<(int)4> *` → `T<4> const*`."""
    base = _without_pointers(text)
    behind = text[len(base) :]
    is_const = base.startswith("const ")
    spelt = "".join(_pieces(base.removeprefix("const ").strip()))
    return spelt + " const" * is_const + "".join(_POINTER.findall(behind)).replace("const", " const")


def _without_pointers(text: str) -> str:
    end = len(text)
    while found := _POINTER_AT_END.search(text, max(end - len("const"), 0), end):
        end = len(text[: found.start()].rstrip())
    return text[:end]


def _pieces(text: str) -> Iterator[str]:
    """The text with all arguments of templates respelt."""
    while (begin := text.find("<")) >= 0:
        end = _closing(text, begin)
        yield _plain(text[:begin]) + _in_brackets([_argument(each) for each in _split(text[begin + 1 : end])])
        text = text[end + 1 :]
    yield _plain(text)


def _plain(text: str) -> str:
    if not _WORDS.fullmatch(text):
        raise _Unknown
    return text


def _in_brackets(arguments: Sequence[str]) -> str:
    inner = ", ".join(arguments)
    return f"<{inner} >" if inner.endswith(">") else f"<{inner}>"


def _split(text: str) -> list[str]:
    """At the commas that are in no brackets."""
    parts, depth, begin = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            parts.append(text[begin:at].strip())
            begin = at + 1
    return [*parts, text[begin:].strip()] if text else []


def _opening(text: str, end: int, brackets: str) -> int:
    """Where the bracket was opened that is closed at `end`."""
    depth = 0
    for at in range(end, -1, -1):
        depth += (text[at] == brackets[1]) - (text[at] == brackets[0])
        if not depth:
            return at
    raise _Unknown


def _closing(text: str, begin: int) -> int:
    depth = 0
    for at in range(begin, len(text)):
        depth += (text[at] == "<") - (text[at] == ">")
        if not depth:
            return at
    raise _Unknown
