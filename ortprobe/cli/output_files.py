"""Files that commands write where the user says: in which format, refused in time, and whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ortprobe.errors import OutputExists, UsageError

_Format = TypeVar("_Format", bound=str)


def format_by_ending(out: Path, formats: Mapping[str, _Format]) -> _Format:
    """What the name ends in, such as `.md`, or `.trace.json` if there is such a format.

    Raises:
        UsageError: no format is known for it.
    """
    both = "".join(out.suffixes[-2:])
    ending = both if both in formats else out.suffix
    if ending not in formats:
        known = ", ".join(formats)
        raise UsageError(f"{out}: no format is known for {ending!r}; end it in {known}, or say --format")
    return formats[ending]


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse an output that is already there, before the work of making it is done.

    Raises:
        OutputExists: it is, and `force` is not set.
    """
    if path.exists() and not force:
        raise OutputExists(f"{path}: already there; choose another with -o, or overwrite it with --force")


def write_output(path: Path, content: bytes, *, force: bool) -> None:
    """Write one output whole or not at all.

    Raises:
        OutputExists: it is already there and `force` is not set.
        UsageError: it can't be written.
    """
    refuse_existing(path, force=force)
    unfinished = path.with_name(path.name + ".partial")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise UsageError(f"{path}: can't be written ({error.strerror}); choose another with -o") from error
