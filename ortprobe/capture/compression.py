"""Compressing what a capture has written, once the program has ended."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

_LEVEL = 4
"""100 MB a second, and 20 times smaller."""
_WORTH_IT_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20


def compress(path: Path) -> None:
    """Replace a file by itself with `.gz` behind, unless it is small.

    Raises:
        OSError: there is no room on the disk; the file is then still there.
    """
    if path.stat().st_size < _WORTH_IT_BYTES:
        return
    packed = path.with_name(path.name + ".gz")
    with path.open("rb") as plain, gzip.open(packed, "wb", _LEVEL) as target:
        shutil.copyfileobj(plain, target, _CHUNK_BYTES)
    path.unlink()
