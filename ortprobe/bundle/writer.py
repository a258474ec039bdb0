"""Writing a bundle while the traced program runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec

from ortprobe.bundle.manifest import HOOK_LOG_NAME, MANIFEST_NAME, Manifest
from ortprobe.bundle.mapped_log import MappedLog
from ortprobe.bundle.records import AnyRecord
from ortprobe.errors import OutputExists, UsageError


class BundleWriter:
    """A bundle folder that is being filled.

    What was appended survives SIGKILL and `os._exit`, and threads don't mix their lines. Records that arrive after
    `close` are dropped: a thread of the program may still be running.

    Raises:
        OutputExists: the folder is already there and `force` is not set.
        UsageError: the folder can't be made or written, or `force` is set on a folder that is no bundle.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, force: bool = False) -> None:
        self.folder = folder.absolute()  # the program may change its directory before the capture ends
        _make_empty(folder, force)
        self._encoder = msgspec.json.Encoder()
        try:
            self._log = MappedLog(self.folder / HOOK_LOG_NAME)
        except OSError as error:
            raise UsageError(f"{folder}: can't be written ({error.strerror}); choose another folder with -o") from error
        self.manifest = manifest
        self.append_line = self._log.append
        """Add one line to the hook log that is already encoded, with its line break. May raise OSError."""
        self._write_manifest()

    def append(self, record: AnyRecord) -> int:
        """Add one record to the hook log; returns its size in bytes.

        Raises:
            OSError: there is no room left on the disk.
        """
        line = self._encoded(record) + b"\n"
        self._log.append(line)
        return len(line)

    def close(self, manifest: Manifest) -> None:
        """Write the manifest as it is at the end and close the hook log."""
        self.manifest = manifest
        self._write_manifest()
        self._log.close()

    def forget(self) -> None:
        """Let go of the bundle without completing it: in a forked child it is the parent's."""
        self._log.forget()

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
