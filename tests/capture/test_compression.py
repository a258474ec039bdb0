"""Large traces are compressed when the capture ends, and read as before."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import ortprobe
from ortprobe.bundle import Settings
from ortprobe.capture.compression import compress
from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE


@pytest.mark.parametrize(("size", "is_packed"), [(1000, False), (5_000_000, True)])
def test_only_what_is_large_is_compressed(tmp_path: Path, size: int, is_packed: bool) -> None:
    content = b"0123456789" * (size // 10)
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    compress(path)
    packed = tmp_path / "trace.json.gz"
    assert (path.exists(), packed.exists()) == (not is_packed, is_packed)
    assert (gzip.decompress(packed.read_bytes()) if is_packed else path.read_bytes()) == content


def test_compressed_profile_of_a_session_is_found(tmp_path: Path, model: Path) -> None:
    settings = Settings(active_runs=1000, torch_runs=0)
    with ortprobe.trace(tmp_path, settings=settings, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        for _ in range(1000):
            session.run(None, {"x": np.ones((2, 3), np.float32)})
    assert {path.name for path in capture.folder.glob("ort-*")} == {"ort-0.json.gz"}
    runs = load_bundle(capture.folder).runs
    assert len(runs) == 1000
    assert (runs.run_span != NONE).all()
