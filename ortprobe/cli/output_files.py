"""Files that commands write where the user says: in which format, refused in time, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

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
        OutputExists: it is, and `force` is not set. Devices and pipes are not overwritten by writing to them.
    """
    if path.exists() and not force and not _is_device_or_pipe(path):
        raise OutputExists(f"{path}: already there; choose another with -o, or overwrite it with --force")


def write_output(path: Path, content: bytes, *, force: bool) -> None:
    """Write one output whole or not at all.

    Raises:
        OutputExists: it is already there and `force` is not set.
        UsageError: it can't be written.
    """
    refuse_existing(path, force=force)
    with whole_output(path) as file:
        file.write(content)


@contextmanager
def whole_output(path: Path) -> Iterator[BinaryIO]:
    """A file that has its name, in place of what had it before, once all of it is written. Devices and pipes, such as
    `/dev/stdout`, are written as they are, and what a link leads to in place of the link.

    Raises:
        UsageError: it can't be written.
    """
    place = Path(os.path.realpath(path))
    unfinished = place.with_name(place.name + ".partial")
    try:
        if _is_device_or_pipe(path):
            with path.open("wb") as device:
                yield device
            return
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(place)
    except OSError as error:
        raise UsageError(f"{path}: can't be written ({error.strerror}); choose another with -o") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _is_device_or_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()
