"""What ortprobe exports for viewers, read back: the same Timeline, the same findings, or one line why not."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import captures
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_models import ran
from same import differences
from scene import Scene

import ortprobe
from ortprobe.analysis.analyses import Analyses
from ortprobe.errors import OrtprobeError, UnreadableInput, UsageError
from ortprobe.ingest import load_bundle, load_bundles, load_files
from ortprobe.ingest.exported import TIMELINE_FIELD, TIMELINE_KEY
from ortprobe.report.perfetto.carried import carried
from ortprobe.report.perfetto.wire import wrapped
from ortprobe.report.report import Report, load
from ortprobe.rules import judge
from ortprobe.timeline import Timeline

ENDINGS = {"perfetto": ".pftrace", "chrome": ".trace.json"}
FORMS = tuple(ENDINGS)
RECORDINGS = (
    "h100-examples/healthy.ortprobe", "h100-examples/missing-wait.ortprobe", "h100-examples/set-providers.ortprobe",
    "h100-flow.ortprobe", "h200-bindings/b7_fault.zip", "h200-concurrency/threads_on_one_stream.zip",
    "h200-healthy/thread_pool.zip", "h200-races/cuda_graph.zip", "h200-waits/run_end_orders.zip",
)  # fmt: skip
"""One of each kind; `tests/stored` has the way through bytes for all."""


def exported(report: Report, form: str, folder: Path) -> Path:
    path = folder / f"x{ENDINGS[form]}"
    path.write_bytes(report.render(form))  # type: ignore[arg-type]
    return path


@cache
def small() -> Report:
    return load(captures.DATA / "h200-bindings" / "b7_fault.zip")


@cache
def content(form: str) -> bytes:
    return small().render(form)  # type: ignore[arg-type]


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableInput) as refused:
        load_bundle(path)
    assert str(refused.value).startswith(str(path))
    return str(refused.value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("recording", RECORDINGS)
def test_an_export_is_the_capture_that_it_was_made_of(recording: str, form: str, tmp_path: Path) -> None:
    report = load(captures.DATA / recording)
    again = ortprobe.load(exported(report, form, tmp_path))
    assert differences(again.timeline, report.timeline) == []
    assert again.render("json") == report.render("json")
    assert again.render(form) == report.render(form)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMS)
def test_several_processes_are_exported_as_one(form: str, tmp_path: Path) -> None:
    names = ("healthy", "set-providers")
    report = load([captures.DATA / "h100-examples" / f"{name}.ortprobe" for name in names])
    assert differences(load_bundle(exported(report, form, tmp_path)), report.timeline) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["</script>", f'"{TIMELINE_KEY}": "x', "\0\x1b[2J\u202e", '"', "\\", "\ud800"])
def test_hostile_names_come_back_as_they_were(form: str, name: str, tmp_path: Path) -> None:
    scene = Scene().torch_op(name, 0, 5).session(0, 0, 10, model_path=name.encode("utf-8", "replace").decode())
    report = Report(judge(Analyses(scene.load(tmp_path))))
    assert differences(load_bundle(exported(report, form, tmp_path)), report.timeline) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_capture_of_nothing_comes_back(form: str, tmp_path: Path) -> None:
    report = load(Scene().write_bundle(tmp_path / "empty.ortprobe"))
    assert differences(load_bundle(exported(report, form, tmp_path)), report.timeline) == []


@pytest.mark.parametrize("form", FORMS)
def test_files_whose_names_are_not_utf8_are_exported(form: str, tmp_path: Path) -> None:
    trace = tmp_path / "\udcff.json.gz"
    trace.write_bytes((captures.RACE / "racy_kineto.json.gz").read_bytes())
    report = load(torch=[trace], ort=[captures.RACE / "racy_ort.json.gz"])
    again = load(exported(report, form, tmp_path))
    assert differences(again.timeline, report.timeline) == []
    assert again.render("json") == report.render("json")


@pytest.mark.parametrize("form", FORMS)
def test_the_model_may_come_later(form: str, tmp_path: Path) -> None:
    run = ran("convolutions", "all")
    bare = Report(judge(Analyses(load_files(ort=[run.profile]))))
    path = exported(bare, form, tmp_path)
    whole = load_files(ort=[run.profile], models=[run.model])
    assert differences(load_bundle(path, models=[run.model]), whole) == []
    with_model = exported(Report(judge(Analyses(whole))), form, tmp_path)
    assert differences(load_bundle(with_model), whole) == []


def test_the_model_that_was_optimised_may_come_after_the_other(tmp_path: Path) -> None:
    run = ran("convolutions", "all")
    path = exported(Report(judge(Analyses(load_files(ort=[run.profile], models=[run.model])))), "perfetto", tmp_path)
    both = load_files(ort=[run.profile], models=[run.model, run.optimised])
    assert differences(load_bundle(path, models=[run.optimised]), both) == []


def test_a_model_of_another_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no session here ran it"):
        load_bundle(exported(small(), "perfetto", tmp_path), models=[ran("products", "off").model])


def test_a_sent_export_may_be_compressed(tmp_path: Path) -> None:
    for form in FORMS:
        path = tmp_path / f"x{ENDINGS[form]}.gz"
        path.write_bytes(gzip.compress(content(form), 1))
        assert differences(load_bundle(path), small().timeline) == []


@pytest.mark.parametrize("way", ["indented", "sorted", "slashes"])
def test_chromes_json_may_be_written_anew(way: str, tmp_path: Path) -> None:
    document = json.loads(content("chrome"))
    if way == "sorted":
        document = {key: document[key] for key in sorted(document)}
    text = json.dumps(document, indent=4 if way == "indented" else None, sort_keys=way == "sorted")
    path = tmp_path / "x.json"
    path.write_text(text.replace("/", "\\/") if way == "slashes" else text)
    assert differences(load_bundle(path), small().timeline) == []


def test_an_export_stands_alone(tmp_path: Path) -> None:
    path, other = exported(small(), "perfetto", tmp_path), captures.DATA / "h100-examples" / "healthy.ortprobe"
    for paths in ([path, other], [other, path]):
        with pytest.raises(UsageError, match="can't be put on one with others; give their bundles"):
            load_bundles(paths)
    with pytest.raises(UsageError, match="can't be added to an export"):
        load_bundle(path, nsys=[captures.DATA / "h100-nsys" / "capture.sqlite.gz"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("option", ["torch", "ort"])
def test_an_export_is_no_trace_of_torch_and_no_profile(form: str, option: str, tmp_path: Path) -> None:
    path = exported(small(), form, tmp_path)
    with pytest.raises(UnreadableInput, match=r"give it as it is: ortprobe report .*x\."):
        load_files(**{option: [path]})


# Traces of others.


PERFETTO_OF_OTHERS = wrapped(1, b"\x50\x01" + wrapped(60, b"\x08\x07")) * 3


def test_a_perfetto_trace_of_another_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other.pftrace"
    path.write_bytes(PERFETTO_OF_OTHERS)
    assert "is a Perfetto trace with no Timeline of ortprobe in it; give the bundle" in refusal(path)


def test_chromes_json_of_another_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"traceEvents": [{"ph": "X", "name": TIMELINE_KEY, "ts": 1, "dur": 2}]}))
    assert "is a Chrome trace with no Timeline of ortprobe in it; give the bundle" in refusal(path)


@pytest.mark.parametrize(
    "path",
    [captures.RACE / "racy_kineto.json.gz", captures.RACE / "racy_ort.json.gz", captures.RACE / "racy_hooks.json"],
)
def test_traces_of_torch_and_profiles_are_told_as_ever(path: Path) -> None:
    assert "is no bundle (no ZIP file); give an ORT profile with --ort, a torch trace with --torch" in refusal(path)


@pytest.mark.parametrize("text", [b"", b"\n", b"\n\n\n\n", b"{", b"\x0a\xff" * 20, b"\x0a\x00", b"\x1f\x8b\x08", b"PK"])
def test_what_is_no_trace_at_all_is_no_bundle(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pftrace"
    path.write_bytes(text)
    refusal(path)


# Damage.


def damaged(form: str, text: bytes, tmp_path: Path) -> str:
    path = tmp_path / f"x{ENDINGS[form]}"
    path.write_bytes(text)
    return refusal(path)


def timeline_ends(form: str) -> int:
    """Where the Timeline ends in the export of `small`."""
    own = carried(small().timeline)
    text = own if form == "perfetto" else base64.urlsafe_b64encode(own)
    return content(form).index(text) + len(text)


@pytest.mark.parametrize("form", FORMS)
def test_one_cut_off_behind_its_timeline_is_whole(form: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content(form)[: timeline_ends(form) + 40])
    assert differences(load_bundle(path), small().timeline) == []


@pytest.mark.parametrize("form", FORMS)
def test_one_cut_off_within_its_timeline_is_told(form: str, tmp_path: Path) -> None:
    text = content(form)[: timeline_ends(form) - 500]
    assert "the Timeline in it is cut off or damaged" in damaged(form, text, tmp_path)


def of_zeros() -> bytes:
    """The longest frame of the fewest bytes."""
    from ortprobe.report.perfetto.carried import zstd

    return zstd.compress(b"\0" * (200 << 20), 19)


@pytest.mark.parametrize("form", FORMS)
def test_a_bomb_is_refused(form: str, tmp_path: Path) -> None:
    bomb = of_zeros()
    if form == "perfetto":
        text = wrapped(1, wrapped(TIMELINE_FIELD, bomb))
    else:
        text = json.dumps({"otherData": {TIMELINE_KEY: base64.urlsafe_b64encode(bomb).decode()}}).encode()
    assert "times its size" in damaged(form, text, tmp_path)


OTHERS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: wrapped(1, wrapped(TIMELINE_FIELD, b"")),
    "no frame": lambda: wrapped(1, wrapped(TIMELINE_FIELD, b"x" * 1000)),
    "no base64": lambda: json.dumps({"otherData": {TIMELINE_KEY: "äöü" * 99}}).encode(),
    "no text": lambda: json.dumps({"otherData": {TIMELINE_KEY: ""}}).encode(),
    "no end": lambda: b'{"otherData":{"%s":"' % TIMELINE_KEY.encode() + b"A" * 1000,
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_looks_like_ours_is_refused(name: str, tmp_path: Path) -> None:
    damaged("perfetto", OTHERS[name](), tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(FORMS))
def test_a_damaged_export_gives_the_same_timeline_or_is_refused(data: st.DataObject, form: str) -> None:
    text = bytearray(content(form)[: timeline_ends(form) + 2000])
    where = st.integers(0, len(text) - 1) | st.integers(0, 200)
    for place in data.draw(st.lists(where, min_size=1, max_size=3)):
        what = data.draw(st.sampled_from(["flip", "delete", "insert", "cut"]))
        if what == "flip" and text:
            text[place % len(text)] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "delete":
            del text[place : place + data.draw(st.integers(1, 100))]
        elif what == "insert":
            text[place:place] = data.draw(st.binary(min_size=1, max_size=100))
        else:
            del text[max(place, 1) :]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(text)
        timeline = read_or_refused(path)
    assert timeline is None or differences(timeline, small().timeline) == []


def read_or_refused(path: Path) -> Timeline | None:
    with suppress(OrtprobeError):
        return load_bundle(path)
    return None
