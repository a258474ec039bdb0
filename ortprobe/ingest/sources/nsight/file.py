"""A recording of Nsight Systems as an export that can be read: as it is, or made by nsys."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ortprobe.errors import UnreadableInput

RECORDING = ".nsys-rep"
_LONGEST_EXPORT_S = 1800


@contextmanager
def exported(path: Path) -> Iterator[Path]:
    """The export of a recording: the file itself, unless it is an `.nsys-rep`, which `nsys export` turns into one in a
    temporary folder.

    Raises:
        UnreadableInput: it is an `.nsys-rep` and nsys is not there, or can't export it.
    """
    if path.suffix != RECORDING:
        yield path
        return
    nsys = shutil.which("nsys")
    if nsys is None:
        raise UnreadableInput(f"{path}: only nsys can read it; where it is, nsys export --type sqlite {path.name}")
    with TemporaryDirectory(prefix="ortprobe-") as folder:
        target = Path(folder) / f"{path.stem}.sqlite"
        line = [nsys, "export", "--type", "sqlite", "--output", str(target), str(path.absolute())]
        try:
            done = subprocess.run(
                line, capture_output=True, text=True, errors="replace", timeout=_LONGEST_EXPORT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnreadableInput(f"{path}: nsys can't export it ({error})") from error
        if done.returncode or not target.exists():
            said = (done.stderr or done.stdout).strip().splitlines()
            raise UnreadableInput(f"{path}: nsys can't export it ({said[-1] if said else 'it does not say why'})")
        yield target
