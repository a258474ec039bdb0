"""Acting on modules as they are imported."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ortprobe.capture.hooks.imports import ImportWatcher


def test_several_watchers_of_one_module_act_once_each_the_first_one_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "watched_by_many.py").write_text("value = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "watched_by_many", raising=False)
    seen: list[tuple[int, int]] = []
    watchers = [ImportWatcher() for _ in range(3)]
    for number, watcher in enumerate(watchers):

        def note(module: ModuleType, number: int = number) -> None:
            seen.append((number, module.value))

        watcher.when_imported("watched_by_many", note)
        watcher.start()
    try:
        module = importlib.import_module("watched_by_many")
        importlib.import_module("watched_by_many")
    finally:
        for watcher in watchers:
            watcher.stop()
    assert module.value == 1
    assert seen == [(0, 1), (1, 1), (2, 1)]
