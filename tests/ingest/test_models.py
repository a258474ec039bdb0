"""Whose model a file is: given by hand, or recorded in a bundle."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from captures import DATA
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.examples.small_model import write_model
from ortprobe.ingest import load_bundle
from ortprobe.timeline import LinkKind


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the example loaded on the GPU, where its hook log says that it was."""
    monkeypatch.chdir(tmp_path)
    path = Path("ortprobe-example-6w7mzxe9/model.onnx")
    path.parent.mkdir()
    shutil.copy(write_model(), path)
    return path


@pytest.fixture
def bundle(tmp_path: Path, model: Path) -> Path:
    """The example's capture, with the file as today's captures describe it."""
    folder = tmp_path / "set-providers.ortprobe"
    shutil.copytree(DATA / "h100-examples" / "set-providers.ortprobe", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = model.read_bytes()
    stated = {"path": str(model), "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "models": [stated]}))
    return folder


def test_a_bundle_reads_its_model_where_it_still_lies(bundle, model):
    timeline = load_bundle(bundle)
    assert [each.path for each in timeline.models] == [str(model)]
    assert Analyses(timeline).nodes.in_models == {LinkKind.EXACT: 40}


def other_weights(model: Path) -> None:
    content = model.read_bytes()
    model.write_bytes(content.replace(b"/conv7", b"/conv8"))


@pytest.mark.parametrize(
    "change",
    [Path.unlink, other_weights, lambda path: path.write_bytes(path.read_bytes() + b"\0")],
    ids=["gone", "another of the same size", "another size"],
)
def test_a_file_that_is_not_the_recorded_one_is_not_used(change, bundle, model):
    change(model)
    timeline = load_bundle(bundle)
    assert timeline.models == ()
    assert Analyses(timeline).nodes.in_models == {}
    assert all(node.origin is None for node in Analyses(timeline).nodes.nodes)


def test_a_recorded_file_that_is_no_model_is_left_out(bundle, model):
    model.write_bytes(b"ORTM")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["models"] = [{"path": str(model), "size_bytes": 4, "sha256": hashlib.sha256(b"ORTM").hexdigest()}]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    assert load_bundle(bundle).models == ()


def test_a_given_file_that_is_no_model_is_refused(bundle, tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(UnreadableInput, match=r"notes\.txt: is no ONNX model"):
        load_bundle(bundle, models=[tmp_path / "notes.txt"])


def test_a_given_model_serves_where_the_recorded_one_has_gone(bundle, model, tmp_path):
    given = model.rename(tmp_path / "moved.onnx")
    timeline = load_bundle(bundle, models=[given])
    assert [each.path for each in timeline.models] == [str(given)]
    assert Analyses(timeline).nodes.in_models == {LinkKind.EXACT: 40}


def test_given_and_recorded_may_be_the_same_file(bundle, model):
    assert Analyses(load_bundle(bundle, models=[model])).nodes.in_models == {LinkKind.EXACT: 40}


def test_nodes_have_their_weights_from_the_model(bundle):
    nodes = {node.name: node for node in Analyses(load_bundle(bundle)).nodes.nodes}
    assert nodes["/conv1"].origin.weight_bytes == 4 * 64 * 64 * 3 * 3
    assert nodes["/relu1"].origin.weight_bytes == 0
    assert nodes["/head"].origin.output == "float[4,32]"


def test_a_model_beside_a_capture_without_nodes(tmp_path):
    scene = Scene()
    scene.session(0, 0, 70).hook("run", 95, 60, session=0)
    bundle = scene.write_bundle(tmp_path / "app.ortprobe")
    with pytest.raises(UsageError, match="no ORT profile with nodes"):
        load_bundle(bundle, models=[write_model()])
