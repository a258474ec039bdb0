"""What trying to make suspected races show has given: `confirmations.json` in a bundle."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ortprobe.bundle.files import BundleFiles
from ortprobe.errors import UnreadableInput

CONFIRMATIONS_NAME = "confirmations.json"
MAX_CONFIRMATIONS_BYTES = 16 << 20
"""One is about 400 bytes."""

DIFFERS_ANYWAY = "the program's results differ from run to run anyway"
OWN_STREAM = "onnxruntime's own stream can't be delayed"
DID_NOT_OCCUR = "the calls did not occur again"
NO_OTHER_OUTPUTS = "outputs did not change in {} tries"
OWN_WORDS = re.compile(
    f"{DIFFERS_ANYWAY}|{OWN_STREAM}|{DID_NOT_OCCUR}( often enough to be tried)?"
    f"|{NO_OTHER_OUTPUTS.format('[0-9]+')}(, without a GPU stream to be delayed)?"
)
"""Reasons that hold no name."""

Hazard = Literal["read-after-write", "write-after-read"]


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """Two calls that nothing was seen to order, though they touch the same memory and one of them writes it.

    `*_what` are names as the hook log has them: `run_with_iobinding`, `copy_`. `*_site` are `file:line`.
    """

    hazard: Hazard
    first_what: str
    first_site: str
    second_what: str
    second_site: str
    buffer: str = ""
    """Name of the input or output."""


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """How often a race was tried, and in how many of these the results were others than with a wait between the calls.

    Where they never were, `why` says what kept it from being confirmed. That there is no race can't be shown this way.
    """

    suspect: Suspect
    tried: int = 0
    changed: int = 0
    why: str = ""

    @property
    def is_confirmed(self) -> bool:
        return self.changed > 0


def write_confirmations(folder: Path, confirmations: Sequence[Confirmation]) -> Path:
    """Write them into the folder of a bundle: all or, where that fails, nothing."""
    return write_whole(folder / CONFIRMATIONS_NAME, encode_confirmations(confirmations))


def read_confirmations(files: BundleFiles) -> tuple[tuple[Confirmation, ...], str]:
    """Those of a bundle, and what is wrong with the file, on one line; "" where it can be read or there is none."""
    if not files.has(CONFIRMATIONS_NAME):
        return (), ""
    try:
        with files.open(CONFIRMATIONS_NAME) as stream:
            raw = stream.read(MAX_CONFIRMATIONS_BYTES + 1)
        return decode_confirmations(raw), ""
    except (UnreadableInput, OSError, ValueError) as error:
        return (), f"{files.path / CONFIRMATIONS_NAME}: can't be read ({error})"


def encode_confirmations(confirmations: Sequence[Confirmation]) -> bytes:
    """As JSON. Paths need not be UTF-8: what of them is not is replaced."""
    return msgspec.json.encode([_printable(one) for one in confirmations])


def decode_confirmations(raw: bytes) -> tuple[Confirmation, ...]:
    """Raises ValueError where `raw` holds something else."""
    if len(raw) > MAX_CONFIRMATIONS_BYTES:
        raise ValueError(f"is larger than {MAX_CONFIRMATIONS_BYTES >> 20} MiB")
    try:
        confirmations = msgspec.json.decode(raw, type=tuple[Confirmation, ...])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if any(not 0 <= one.changed <= one.tried for one in confirmations):
        raise ValueError("counts that can't be")
    return confirmations


def write_whole(path: Path, content: bytes) -> Path:
    """Put the content in place at once, so that a reader finds all of it or what was there before."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return path


def _printable(confirmation: Confirmation) -> Confirmation:
    suspect = confirmation.suspect
    texts = {name: _utf8(getattr(suspect, name)) for name in suspect.__struct_fields__ if name != "hazard"}
    return msgspec.structs.replace(
        confirmation, suspect=msgspec.structs.replace(suspect, **texts), why=_utf8(confirmation.why)
    )


def _utf8(text: str) -> str:
    return text.encode(errors="replace").decode()
