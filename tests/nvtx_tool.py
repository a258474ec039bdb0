"""A tool that listens to NVTX, and what it heard: the ranges that a program under `ortprobe trace` opened."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
DOMAIN = "ortprobe"


@dataclass
class Heard:
    """A range of our domain, with the ranges of the same thread that were opened and closed inside."""

    name: str
    payload: int
    thread: int
    inside: list[Heard] = field(default_factory=list)
    closed: bool = False

    def names(self) -> list[str]:
        return [one.name for one in self.inside]


@dataclass
class Tool:
    """What the tool wrote."""

    log: Path

    def events(self) -> list[tuple[str, int, str, int]]:
        """What, thread, name and payload, in the order in which they came."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        rows = (line.split("\t") for line in lines)
        return [
            (what, int(thread), name, int(payload)) for what, thread, domain, name, payload in rows if domain == DOMAIN
        ]

    def ranges(self) -> list[Heard]:
        """The outermost ranges of all threads. A range that closes none of its thread's is a failure of the test."""
        outermost: list[Heard] = []
        stacks: dict[int, list[Heard]] = {}
        for what, thread, name, payload in self.events():
            stack = stacks.setdefault(thread, [])
            if what == "push":
                heard = Heard(name, payload, thread)
                (stack[-1].inside if stack else outermost).append(heard)
                stack.append(heard)
            elif what == "pop":
                assert stack, f"thread {thread} closes a range that it did not open"
                stack.pop().closed = True
        return outermost


def compile_tool(folder: Path) -> Path:
    """The library that NVTX is to load; skips the test where there is no C compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler to make a tool that listens to NVTX")
    library = folder / "libtool.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
    return library
