"""Which models the sessions were made of, so that two captures can be told to be of the same one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ortprobe.bundle import Model, SessionCreated

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_MOST_MODELS = 1_000


@dataclass(frozen=True, slots=True)
class _FileState:
    size_bytes: int
    changed_ns: int


class ModelBook:
    """Model files as they were when sessions were made of them.

    They are hashed when the capture ends, in nobody's time: reading a gigabyte takes about a second. Weights in files
    of their own beside the model are not part of the hash.
    """

    def __init__(self) -> None:
        self._files: dict[str, _FileState] = {}

    def seen(self, created: SessionCreated) -> None:
        """Note the model file of a session; does nothing for a model that came from memory."""
        path = created.model_path
        if path and path not in self._files and len(self._files) < _MOST_MODELS:
            self._files[path] = _state(path)

    def described(self, alive: list[InferenceSession]) -> tuple[Model, ...]:
        """All models: files, and those in memory that a living session still holds.

        Raises:
            OSError: a file that was there a moment ago can't be read.
        """
        in_memory = {id(content): content for session in alive if (content := session._model_bytes)}
        return (
            *(_described_file(path, state) for path, state in self._files.items()),
            *(
                Model(path="", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
                for content in in_memory.values()
            ),
        )


def _described_file(path: str, before: _FileState) -> Model:
    if not os.path.isfile(path) or _state(path) != before:
        return Model(path=path, size_bytes=before.size_bytes)
    with open(path, "rb") as file:
        return Model(path=path, size_bytes=before.size_bytes, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _state(path: str) -> _FileState:
    status = os.stat(path)
    return _FileState(status.st_size, status.st_mtime_ns)
