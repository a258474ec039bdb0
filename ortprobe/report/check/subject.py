"""What was checked, and from where: what outputs name and count paths from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The capture as the user gave it."""

    source: str
    """The path of its bundle or of the first of its files."""
    root: Path
    """The absolute folder that files of the program are told from: where the check was asked for."""

    def relative(self, file: str) -> str | None:
        """The path of a file from `root`, with slashes; None when it lies elsewhere."""
        path = PurePosixPath(file)
        if ".." in path.parts or not file.isprintable():
            return None
        if not path.is_absolute():
            return str(path)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else None

    def uri(self, file: str) -> tuple[str, bool]:
        """A URI reference for a file, and whether it is one from `root`."""
        relative = self.relative(file)
        if relative is not None:
            return quote(relative), True
        return f"file://{quote(file)}" if file.startswith("/") else quote(file, safe=""), False

    @property
    def root_uri(self) -> str:
        """`root` as a URI that ends in a slash."""
        return f"file://{quote(str(self.root).rstrip('/'))}/"
