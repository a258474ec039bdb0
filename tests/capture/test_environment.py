from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace
from traces.bundle_rows import start_bundle

from ortprobe.bundle.manifest import Model
from ortprobe.capture.environment import describe_environment
from ortprobe.ingest import load_bundle


def test_what_the_processor_is_called_and_the_content_of_models_reach_the_timeline(tmp_path):
    found = describe_environment()
    assert found.cpu_count == os.cpu_count()
    if "model name" in Path("/proc/cpuinfo").read_text():
        assert f": {found.cpu}\n" in Path("/proc/cpuinfo").read_text()
    writer = start_bundle(tmp_path / "app.ortprobe", "app", 1, 10**18)
    models = (Model(path="m.onnx", size_bytes=5, sha256="1f" * 32), Model(path="changed.onnx", size_bytes=5))
    writer.close(replace(writer.manifest, environment=found, models=models))
    capture = load_bundle(tmp_path / "app.ortprobe").capture
    assert (capture.cpu, capture.cpu_count) == (found.cpu, found.cpu_count)
    assert capture.model_hashes == {"m.onnx": "1f" * 32}
