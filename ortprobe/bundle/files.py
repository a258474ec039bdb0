"""Where the files of a bundle are: in a folder, as a capture leaves them, or in one packed file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, Protocol

from ortprobe.bundle.manifest import CHILDREN, MANIFEST_NAME
from ortprobe.errors import UnreadableInput


class BundleFiles(Protocol):
    """The files of one bundle by name. Names are relative, with `/` between their parts, as hook log and manifest do.

    Names come from the bundle itself and are hostile data: one that leads out of the bundle is the name of no file.
    """

    @property
    def path(self) -> Path:
        """Where the bundle is, for messages."""

    def names(self) -> tuple[str, ...]:
        """The names of all files, those of children among them, sorted."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def size_bytes(self, name: str) -> int:
        """How long the stream that `open` gives is.

        Raises:
            UnreadableInput: there is no such file.
        """

    def open(self, name: str) -> BinaryIO:
        """The content from its beginning. Reading it may raise UnreadableInput too, where it is damaged.

        Raises:
            UnreadableInput: there is no such file, or it can't be read.
        """

    def children(self) -> Mapping[str, BundleFiles]:
        """The bundles of child processes inside of this one by their names (`children/412`), in order of process id."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A bundle as a capture writes it. Links that lead out of the folder are the names of no files."""

    path: Path

    def names(self) -> tuple[str, ...]:
        files = (Path(folder) / file for folder, _, files in os.walk(self.path) for file in files)
        names = (file.relative_to(self.path).as_posix() for file in files)
        return tuple(sorted(name for name in names if self.has(name)))

    def has(self, name: str) -> bool:
        return self._inside(name) is not None

    def size_bytes(self, name: str) -> int:
        try:
            return self._file(name).stat().st_size
        except OSError as error:
            raise UnreadableInput(f"{self.path / name}: can't be read ({error.strerror})") from error

    def open(self, name: str) -> BinaryIO:
        try:
            return self._file(name).open("rb")
        except OSError as error:
            raise UnreadableInput(f"{self.path / name}: can't be read ({error.strerror})") from error

    def children(self) -> Mapping[str, BundleFiles]:
        try:
            names = [f"{CHILDREN}/{entry.name}" for entry in (self.path / CHILDREN).iterdir()]
        except OSError:
            return {}
        return {name: Folder(self.path / name) for name in in_order(names) if self.has(f"{name}/{MANIFEST_NAME}")}

    def _file(self, name: str) -> Path:
        path = self._inside(name)
        if path is None:
            raise UnreadableInput(f"{self.path}: has no file {name!r}")
        return path

    def _inside(self, name: str) -> Path | None:
        try:
            path = (self.path / name).resolve()
            return path if path.is_relative_to(self.path.resolve()) and path.is_file() else None
        except (OSError, ValueError, RuntimeError):  # too long for a name, a zero byte in it, or links in a circle
            return None


def leads_out(name: str) -> bool:
    """Whether a name may lead out of a folder, on any system: Windows' rules know `/`, drives and `\\`."""
    path = PureWindowsPath(name)
    return bool(not path.parts or path.drive or path.root or ".." in path.parts or "\0" in name)


def in_order(children: list[str]) -> list[str]:
    """Names of children by process id. What a copy of the bundle may change, such as file times, plays no part."""
    return sorted(children, key=lambda name: (len(name), name))
