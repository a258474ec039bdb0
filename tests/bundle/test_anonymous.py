"""An anonymous bundle holds none of the names, and has the figures of the one that it was made of."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
import zlib
from pathlib import Path

import pytest
from captures import DATA
from msgspec.structs import replace as with_fields
from scene import PROCESS, Scene, at_ns
from traces.kineto_rows import Row, complete
from traces.ort_rows import session_row

import ortprobe
from ortprobe.bundle import (
    Access,
    BundleWriter,
    Call,
    Device,
    Handover,
    Lost,
    Model,
    Served,
    SessionCreated,
    Thread,
    read_bundle,
)
from ortprobe.bundle.anonymous import anonymous
from ortprobe.bundle.anonymous.pseudonyms import Pseudonyms
from ortprobe.bundle.anonymous.records import anonymous_manifest
from ortprobe.bundle.files import Folder
from ortprobe.bundle.packing import Packing, pack
from ortprobe.stored import encode_timeline

CAPTURES = sorted(DATA.rglob("*.ortprobe"))


def packed(folder: Path, out: Path) -> tuple[Path, Packing]:
    with out.open("wb") as target:
        return out, pack(anonymous(Folder(folder)), target)


def content(path: Path) -> str:
    """Everything that is in a packed file, its members' names too."""
    with zipfile.ZipFile(path) as archive:
        return "\n".join([*archive.namelist(), *(archive.read(name).decode() for name in archive.namelist())])


def figures(path: Path) -> object:
    """What a report says, without the names in it."""
    document = json.loads(ortprobe.load(path).render("json"))
    findings = [
        {key: finding[key] for key in ("code", "severity", "count", "cost_ns", "confidence")}
        | {"where": [site["line"] for site in finding["where"]]}
        | {"evidence": [(one["row"], one["start_ns"], one["end_ns"]) for one in finding["evidence"]]}
        for finding in document["findings"]
    ]
    problems = [(problem["kind"], problem["count"]) for problem in document["integrity"]["problems"]]
    return unnamed(document["summary"]), document["overhead"], document["integrity"]["ok"], problems, findings


def unnamed(part: object) -> object:
    """The same without the files that lines of the program are in; the numbers of the lines stay."""
    if isinstance(part, list):
        return [unnamed(each) for each in part]
    if not isinstance(part, dict):
        return part
    lines = {key: part[key].rpartition(":")[2] for key in ("line", "next") if isinstance(part.get(key), str)}
    return {key: unnamed(value) for key, value in (part | lines).items() if key != "file"}


def names_in(folder: Path) -> set[str]:
    """The names that a capture holds, read independently of the code that replaces them."""
    names: set[str] = set()
    bundle = read_bundle(folder)
    arguments = (each for each in bundle.manifest.target.argv if not each.isdigit())
    names |= {*arguments, *(model.path for model in bundle.manifest.models)}
    for record in bundle.records:
        site = getattr(record, "site", "").rpartition(":")[0]
        names |= set() if site.startswith(("onnxruntime/", "/usr/lib/python")) else {site}
        if isinstance(record, SessionCreated):
            names |= {record.model_path, record.graph_name, *record.inputs, *record.outputs}
        if isinstance(record, Call):
            names.add(record.buffer)
        if isinstance(record, Thread):
            names.add(record.name.partition("(")[2].rstrip(")"))
    for file in folder.glob("ort-*.gz"):
        for event in json.loads(gzip.decompress(file.read_bytes())):
            names.add(event["name"].removesuffix("_kernel_time") if event["cat"] == "Node" else "")
    for file in folder.glob("torch-*.gz"):
        for event in json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]:
            names.add(event["name"] if event.get("cat") in ("user_annotation", "python_function") else "")
    return names - {""}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_every_capture_keeps_its_figures_and_loses_its_names(capture: Path, tmp_path: Path) -> None:
    path, packing = packed(capture, tmp_path / "sent.zip")
    assert packing.left_out == ()
    assert figures(path) == figures(capture)
    timeline = ortprobe.load(capture).timeline
    op_types = {timeline.names[number] for number in timeline.nodes.op_type.tolist()}
    # A node may be called as its op type is, which stays; a single letter means other things too.
    names = {name for name in names_in(capture) - op_types if len(name) > 1}
    assert len(names) >= 15
    text = content(path)
    assert [name for name in names if f'"{name}"' in text or (len(name) > 8 and name in text)] == []


SECRET = "sekret"


def secretive(folder: Path) -> Path:
    """A bundle in which every free text names the secret."""
    scene = Scene().launch("void cublas::kernel<float>", 110, 120, 5, 1).launch("relu", 210, 220, 5, 2)
    scene.torch_op("sekret::attention", 101, 2, external=4).torch_op("aten::copy_", 104, 2).torch_op(
        "SekretBackward", 1, 2
    )
    scene.annotation("sekret step", 90, 100).annotation("ProfilerStep#3", 90, 100)
    scene.rows += [
        complete("python_function", "/home/sekret/app.py(3): forward", at_ns(90), 100_000, PROCESS, PROCESS,
                 {"Call stack": "sekret", "Python id": 1}),
        complete("sekret", "sekret", at_ns(90), 100_000, PROCESS, PROCESS,
                 {"sekret": 1, "Concrete Inputs": ["sekret"]}),
        Row(event={"ph": "M", "name": "process_name", "pid": 1, "tid": "sekret", "args": {"name": "sekret"}},
            start_ns=None),
    ]  # fmt: skip
    profile = scene.profile().load(0, 10).initialize(10, 50).run(100, 50).run(200, 50)
    profile.node("/sekret/conv", 105, 20).node("/sekret/conv", 205, 20)
    profile.events[-1]["args"] |= {
        "sekret": "1",
        "thread_scheduling_stats": {"x": "sekret"},
        "input_type_shape": [{"float": [1, 3]}],
    }
    profile.events.append(session_row("sekret", 90, 1, process=PROCESS, thread=PROCESS))
    scene.session(
        0, 0, 70, inputs=("sekret in",), outputs=("sekret out",), providers=("CUDAExecutionProvider", "sekret"),
        site="/home/sekret/app.py:3", model_path="/home/sekret/m.onnx", graph_name="sekret", producer="sekret",
        input_types=("tensor(float)[sekret,3]", "sekret"), session_options={"optimized_model_filepath": "/sekret"},
        provider_options={"CUDAExecutionProvider": {"device_id": "0", "path": "/sekret"}}, error="",
    )  # fmt: skip
    for start in (95, 195):
        scene.hook("run", start, 60, session=0, attached=3, site="/home/sekret/app.py:7", options={"a": "sekret"})
        scene.hook("bind_input", start, 1, session=0, buffer="sekret in", error="sekret", contiguous=False)
        scene.hook("event.record", start, 1, event=start)
    for key in ("sekret.key", "session.intra_op.allow_spining"):
        scene.hook("add_session_config_entry", 1, 1, options={key: "0"})
    scene.records += [
        Served(what="run", session=0, start_ns=at_ns(300), end_ns=at_ns(900), runs=7, total_ns=70, slowest_ns=20,
               site="C:\\Users\\sekret\\app.py:7"),
        Handover(what="future.submit", at_ns=at_ns(3), thread=1, token=1, gives=True, site="sekret/x.py:1"),
        Access(op="sekret::attention", start_ns=at_ns(101), end_ns=at_ns(103), address=1, size_bytes=4, extent_bytes=4,
               mode="read"),
        Thread(native_id=1, ident_low32=1, name="sekret"), Thread(native_id=2, ident_low32=2, name="Thread-1 (sekret)"),
        Lost(what="window", why="sekret"),
    ]  # fmt: skip
    bundle = scene.write_bundle(folder)
    manifest = read_bundle(bundle).manifest
    secret_manifest = with_fields(
        manifest, target=with_fields(manifest.target, name=SECRET, argv=(SECRET,)),
        models=(Model(path="/home/sekret/m.onnx", size_bytes=3, sha256="abcdef"),),
        ending=with_fields(manifest.ending, exception="ValueError: sekret"),
    )  # fmt: skip
    shutil.move(bundle, folder.with_suffix(".old"))
    writer = BundleWriter(folder, manifest)
    for record in read_bundle(folder.with_suffix(".old")).records:
        writer.append(record)
    writer.append_line(b'{"sekret": 1}\n')
    writer.close(secret_manifest)
    for file in folder.with_suffix(".old").glob("*-0.json"):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    return folder


def test_no_free_text_is_left(tmp_path: Path) -> None:
    bundle = secretive(tmp_path / "sekret.ortprobe")
    child = secretive(tmp_path / "child.ortprobe")
    shutil.move(child, bundle / "children" / "77")
    (bundle / "sekret.json").write_text("{}")
    path, packing = packed(bundle, tmp_path / "sent.zip")
    text = content(path)
    assert SECRET not in text.lower()
    assert "abcdef" not in text
    assert packing.files == 8
    for kept in (
        "aten::copy_",
        "void cublas::kernel<float>",
        "ProfilerStep#3",
        "file_1.py:3",
        "file_1.py:7",
        "Thread-1",
        "session.intra_op.allow_spining",
    ):
        assert kept in text
    assert figures(path) == figures(bundle)
    assert figures(path / "children" / "77") == figures(bundle / "children" / "77")


def test_one_name_has_one_pseudonym_everywhere(tmp_path: Path) -> None:
    path, _ = packed(secretive(tmp_path / "app.ortprobe"), tmp_path / "sent.zip")
    records = read_bundle(path).records
    (created,) = (record for record in records if isinstance(record, SessionCreated))
    calls = [record for record in records if isinstance(record, Call)]
    assert {call.buffer for call in calls} == {"", *created.inputs}
    assert {call.contiguous for call in calls if call.what == "bind_input"} == {False}
    assert [call.event for call in calls if call.what == "event.record"] == [95, 195]
    assert created.model_path == read_bundle(path).manifest.models[0].path == "model_1.onnx"
    assert created.input_types[0] == "tensor(float)[dim_1,3]"
    timeline = ortprobe.load(path).timeline
    (access,) = (record for record in records if isinstance(record, Access))
    assert access.op in timeline.names


def test_gpus_are_told_apart_and_not_named() -> None:
    known, manifests = Pseudonyms(), []
    for uuids in (("aaaa", "bbbb"), ("bbbb",)):
        devices = tuple(
            Device(index=index, name="GPU", memory_bytes=1, compute_capability=(9, 0), uuid=uuid)
            for index, uuid in enumerate(uuids)
        )
        manifest = read_bundle(CAPTURES[0]).manifest
        manifest = with_fields(manifest, environment=with_fields(manifest.environment, devices=devices))
        manifests.append(anonymous_manifest(manifest, known))
    assert [[each.uuid for each in one.environment.devices] for one in manifests] == [["gpu_1", "gpu_2"], ["gpu_2"]]


def test_a_trace_that_is_not_understood_is_left_out(tmp_path: Path) -> None:
    bundle = secretive(tmp_path / "app.ortprobe")
    trace = bundle / "torch-0.json.gz"
    trace.write_bytes(gzip.compress(gzip.decompress(trace.read_bytes())[:-500]))
    path, packing = packed(bundle, tmp_path / "sent.zip")
    assert packing.left_out == ("torch-0.json",)
    assert SECRET not in content(path).lower()
    assert ortprobe.load(path).timeline.problems


def test_the_same_bundle_makes_the_same_bytes(tmp_path: Path) -> None:
    bundle = secretive(tmp_path / "app.ortprobe")
    one, _ = packed(bundle, tmp_path / "1.zip")
    other, _ = packed(bundle, tmp_path / "2.zip")
    assert one.read_bytes() == other.read_bytes()


def test_what_is_exported_of_an_anonymous_bundle_has_none_of_the_names(tmp_path: Path) -> None:
    path, _ = packed(secretive(tmp_path / "app.ortprobe"), tmp_path / "sent.zip")
    report = ortprobe.load(path)
    stored = encode_timeline(report.timeline)
    assert b"model_1.onnx" in stored
    assert SECRET.encode() not in stored.lower()
    assert SECRET not in report.render("chrome").decode().lower()
    shown = b"".join(map(zlib.decompress, compressed_packets(report.render("perfetto"))))
    assert b"file_1.py:3" in shown
    assert SECRET.encode() not in shown.lower()


def compressed_packets(trace: bytes) -> list[bytes]:
    protos = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    return [each.compressed_packets for each in protos.Trace.FromString(trace).packet if each.compressed_packets]
