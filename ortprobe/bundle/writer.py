"""Writing a bundle while the traced program runs."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import msgspec

from ortprobe.bundle.manifest import HOOK_LOG_NAME, MANIFEST_NAME, Manifest
from ortprobe.bundle.records import AnyRecord
from ortprobe.errors import OutputExists, UsageError

_CLOSED = -1


class BundleWriter:
    """A bundle folder that is being filled.

    Each record is one `write` system call on a file opened for appending, so whatever was recorded survives SIGKILL
    and `os._exit`, and threads don't mix their lines. Records that arrive after `close` are dropped: a thread of the
    program may still be running, and the closed descriptor's number may by then belong to a file of its own.

    Raises:
        OutputExists: the folder is already there and `force` is not set.
        UsageError: the folder can't be made or written, or `force` is set on a folder that is no bundle.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, force: bool = False) -> None:
        self.folder = folder.absolute()  # the program may change its directory before the capture ends
        _make_empty(folder, force)
        self._encoder = msgspec.json.Encoder()
        self._lock = threading.RLock()  # re-entered when a signal handler or a finalizer makes a hooked call
        self._log = os.open(folder / HOOK_LOG_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.manifest = manifest
        self._write_manifest()

    def append(self, record: AnyRecord) -> None:
        """Add one line to the hook log."""
        line = self._encoded(record) + b"\n"
        with self._lock:
            if self._log != _CLOSED:
                os.write(self._log, line)

    def close(self, manifest: Manifest) -> None:
        """Write the manifest as it is at the end and close the hook log."""
        self.manifest = manifest
        self._write_manifest()
        with self._lock:
            log, self._log = self._log, _CLOSED
        if log != _CLOSED:
            os.close(log)

    def _encoded(self, content: msgspec.Struct) -> bytes:
        """As JSON. A path that is not UTF-8 reaches Python with surrogates in it, which become "?" here."""
        try:
            return self._encoder.encode(content)
        except UnicodeEncodeError:
            return json.dumps(msgspec.to_builtins(content), ensure_ascii=False).encode("utf-8", "replace")

    def _write_manifest(self) -> None:
        final, partial = self.folder / MANIFEST_NAME, self.folder / (MANIFEST_NAME + ".partial")
        partial.write_bytes(msgspec.json.format(self._encoded(self.manifest), indent=1))
        partial.replace(final)


def _make_empty(folder: Path, force: bool) -> None:
    if folder.exists():
        if not force:
            raise OutputExists(f"{folder}: already there; choose another folder with -o, or overwrite it with --force")
        if not (folder / MANIFEST_NAME).is_file():
            raise UsageError(f"{folder}: is no ortprobe bundle, so --force will not delete it; choose another with -o")
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{folder}: can't be created ({error.strerror}); choose another folder with -o") from error
