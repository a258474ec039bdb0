"""Damaged and hostile traces: each is read as far as it goes, with its damage stated, or refused in one line."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from captures import DATA, RACE
from commands import ortprobe
from hostile import read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BUNDLE = DATA / "h100-examples" / "healthy.ortprobe"
TORCH, ORT = RACE / "healthy_kineto.json.gz", DATA / "ort-versions" / "1.32.0" / "subgraphs.json.gz"
OLD_ORT = DATA / "ort-versions" / "1.17.3" / "plain.json.gz"
FILES = [("torch", TORCH), ("ort", ORT), ("ort", OLD_ORT)]
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}
EXAMPLES = int(os.environ.get("ORTPROBE_FUZZ_EXAMPLES", "4"))
"""How many damaged files each of the random tests makes."""
DEPTH = 100_000
NUMBERS = [
    "1" + "0" * 400, "-1" + "0" * 400, str(-(1 << 63)), str((1 << 63) - 1), str(1 << 64), str(-(1 << 64)),
    "1e308", "-1e308", "1e999", "-0.0", "0.1", "2147483648", "-1", "0", "NaN", "-Infinity", "nan", "inf",
]  # fmt: skip
VALUES = [
    *NUMBERS, '"x"', '""', '"12"', '"0x1f"', '"NaN"', '"sNaN"', '"-Infinity"', '"1e999999999"', '"1' + "0" * 5000 + '"',
    "[]", "[[]]", "[1,2,3]", "[-9223372036854775807,4,4]", "[1e308]", '["x"]', "{}", '{"a":1}', "null", "true", "false",
    '"\\ud800"', '"</script>"', '"\\u0000\\u001b[31m\\u202e"', '"\x01"', '"\\q"', '"x"y"', "",
]  # fmt: skip
EVERY = 1 if EXAMPLES > 4 else 11
"""A run by default tries each value in every so many of the fields, other ones with each value."""
random = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@cache
def content(path: Path) -> bytes:
    """The first and the last 60 KB of a trace, joined between two events, so that each try is quick."""
    text = gzip.decompress(path.read_bytes())
    if len(text) < 150_000:
        return text
    opening = b'  {\n    "ph"'
    return text[: text.rindex(opening, 0, 60_000)] + text[text.index(opening, len(text) - 60_000) :]


def attempt(kind: str, text: bytes, suffix: str = "") -> object:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"trace.json{suffix}"
        path.write_bytes(text)
        return read(**{kind: path})


def damages(length: int) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    places = st.integers(0, length - 1)
    what = st.sampled_from(["cut", "flip", "delete", "duplicate", "swap", "insert"])
    return st.lists(st.tuples(what, places, places), min_size=1, max_size=4)


def damaged(text: bytes, done: Sequence[tuple[str, int, int]]) -> bytes:
    for what, one, other in done:
        first, last = sorted((one % max(len(text), 1), other % max(len(text), 1)))
        piece = text[first:last][:5_000]
        if what == "cut":
            text = text[:first]
        elif what == "flip":
            text = text[:first] + bytes([text[first] ^ (1 << one % 8)]) + text[first + 1 :] if text else text
        elif what == "delete":
            text = text[:first] + text[first + len(piece) :]
        elif what == "duplicate":
            text = text[:first] + piece + text[first:]
        elif what == "swap":
            text = (
                text[:first]
                + text[last : last + 50]
                + text[first + 50 : last]
                + text[first : first + 50]
                + text[last + 50 :]
            )
        else:
            text = (
                text[:first]
                + [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\0", b"\xff"][one % 10]
                + text[first:]
            )
    return text


@pytest.mark.parametrize("suffix", COMPRESSED)
@pytest.mark.parametrize(("kind", "path"), FILES)
@random
@given(data=st.data())
def test_a_trace_that_was_damaged_anywhere_is_read_or_refused(
    kind: str, path: Path, suffix: str, data: st.DataObject
) -> None:
    text = content(path)
    attempt(kind, COMPRESSED[suffix](damaged(text, data.draw(damages(len(text))))), suffix)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize(("kind", "path"), FILES)
@random
@given(data=st.data())
def test_a_compressed_trace_that_was_damaged_anywhere_is_read_or_refused(
    kind: str, path: Path, suffix: str, data: st.DataObject
) -> None:
    packed = COMPRESSED[suffix](content(path))
    attempt(kind, damaged(packed, data.draw(damages(len(packed)))), suffix)


HOST = {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 9, "tid": 9, "ts": 10.5, "dur": 2.5,
        "args": {"External id": 1, "correlation": 5}}  # fmt: skip
KERNEL = {"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": 7, "ts": 11.5, "dur": 4.0,
          "args": {"External id": 1, "correlation": 5, "device": 0, "stream": 7, "grid": [8, 1, 1],
                   "graph id": 3}}  # fmt: skip
COPY = {"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "pid": 0, "tid": 7, "ts": 17.0,
        "dur": 1.0, "args": {"correlation": 6, "device": 0, "stream": 7, "bytes": 4096}}  # fmt: skip
SYNC = {"ph": "X", "cat": "cuda_sync", "name": "Stream Wait Event", "pid": 0, "tid": 7, "ts": 13.0, "dur": 1.0,
        "args": {"correlation": 7, "device": 0, "stream": 7, "cuda_sync_kind": "Stream Wait Event", "wait_on_stream": 8,
                 "wait_on_cuda_event_record_corr_id": 4, "wait_on_cuda_event_id": 2}}  # fmt: skip
TRACE = {"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "H100"}], "cupti_version": 130001,
         "cuda_runtime_version": 13000, "cuda_driver_version": 13000, "baseTimeNanoseconds": 1790857026000000000,
         "traceEvents": [HOST, KERNEL, COPY, SYNC,
                         {"ph": "i", "name": "Record Window End", "ts": 30.0, "s": "g"}]}  # fmt: skip
WITHOUT_BASE = {**TRACE, "baseTimeNanoseconds": 0, "traceEvents": [
    {**one, "ts": 1790857026000000.125 + one["ts"]} for one in (HOST, KERNEL, COPY, SYNC)]}  # fmt: skip
"""Of torch before 2.3."""
PROFILE = [
    {"cat": "Session", "pid": 9, "tid": 9, "dur": 50, "ts": 5, "ph": "X", "name": "model_run", "args": {}},
    {"cat": "Node", "pid": 9, "tid": 9, "dur": 20, "ts": 10, "ph": "X", "name": "conv_kernel_time", "args": {
        "op_name": "Conv", "provider": "CUDAExecutionProvider", "node_index": "3", "output_size": "64",
        "mem_arena_held_delta": "0", "input_type_shape": [{"float": [1, 3]}]}},
    {"cat": "Session", "pid": 9, "tid": 9, "dur": 0, "ts": 70, "ph": "X", "name": "profile_truncated", "args": {
        "dropped_event_count": "4"}},
]  # fmt: skip
MARK = '"@MARK@"'


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each (container, key or index) in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from places(inner)


def spoilt(value: Any) -> Iterator[str]:
    """JSON texts of a value, each with a mark in place of one of the values in it."""
    for container, key in places(value):
        kept, container[key] = container[key], "@MARK@"
        yield json.dumps(value)
        container[key] = kept


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
@pytest.mark.parametrize(
    ("kind", "trace"), [("torch", TRACE), ("torch", WITHOUT_BASE), ("ort", PROFILE)], ids=["torch", "1970", "ort"]
)
def test_any_value_in_any_field_of_a_trace_is_read_or_refused(
    kind: str, trace: object, value: str, tmp_path: Path
) -> None:
    for number, text in enumerate([*spoilt(trace)][VALUES.index(value) % EVERY :: EVERY]):
        path = tmp_path / f"{number}.json"
        path.write_bytes(text.replace(MARK, value).encode("utf-8", "surrogatepass"))
        read(**{kind: path})


@cache
def manifest() -> Any:
    return json.loads((BUNDLE / "manifest.json").read_bytes())


@cache
def hook_lines() -> list[str]:
    """One line of each shape that the log has."""
    lines = (BUNDLE / "hooks.jsonl").read_text().splitlines()
    lines += (DATA / "h100-service.ortprobe" / "hooks.jsonl").read_text().splitlines()
    shapes = {(one["type"], *sorted(one)): line for line in lines for one in [json.loads(line)]}
    return list(shapes.values())


def a_bundle(folder: Path, *, lines: bytes | None = None, manifest_text: bytes | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(manifest_text or json.dumps(manifest()).encode())
    (folder / "hooks.jsonl").write_bytes("\n".join(hook_lines()).encode() if lines is None else lines)
    return folder


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_in_any_field_of_a_manifest_is_read_or_refused(value: str, tmp_path: Path) -> None:
    texts = [*spoilt(json.loads(json.dumps(manifest())))]
    for number, text in enumerate(texts[VALUES.index(value) % EVERY :: EVERY]):
        read(bundle=a_bundle(tmp_path / str(number), lines=b"", manifest_text=text.replace(MARK, value).encode()))


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_in_any_field_of_the_hook_log_is_read_or_refused(value: str, tmp_path: Path) -> None:
    spoilt_lines = [list(spoilt(json.loads(line))) for line in hook_lines()]
    for number in range(VALUES.index(value) % EVERY, max(map(len, spoilt_lines)), EVERY):
        lines = [own[number % len(own)].replace(MARK, value) for own in spoilt_lines]
        whole = [*hook_lines(), *lines]
        read(bundle=a_bundle(tmp_path / str(number), lines="\n".join(whole).encode()))


@random
@given(data=st.data())
def test_a_bundle_that_was_damaged_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(shutil.copytree(BUNDLE, Path(folder) / "b"))
        file = path / data.draw(st.sampled_from(sorted(one.name for one in path.iterdir())))
        text = file.read_bytes()
        file.write_bytes(damaged(text, data.draw(damages(len(text)))))
        read(bundle=path)


@pytest.mark.parametrize("kind", ["ort", "torch", "bundle"])
def test_what_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("pipe", "folder", "empty", "circle", "missing", "x" * 300, "\x1b[31m\n", "\0", "\udc80"):
        assert read(**{kind: tmp_path / name}) is None


def test_a_bundle_with_a_pipe_for_a_trace_says_what_it_lacks(tmp_path: Path) -> None:
    path = Path(shutil.copytree(BUNDLE, tmp_path / "b"))
    (path / "torch-0.json.gz").unlink()
    os.mkfifo(path / "torch-0.json.gz")
    timeline = read(bundle=path)
    assert timeline is not None
    assert any("torch-0.json" in problem.detail for problem in timeline.problems)


@pytest.mark.parametrize(
    "name", ["</script>", "\\u0000\\u001b[2J", "\\ud800", "\\u202e", "x" * (1 << 20), "a\x01b\x7f", '"quoted"']
)
def test_hostile_names_are_read_as_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(json.dumps(TRACE).replace("gemm", name).encode())
    timeline = read(torch=path)
    assert timeline is not None
    assert len(timeline.spans) == 4


def test_the_last_of_two_equal_keys_holds(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(json.dumps(TRACE).replace('"name": "gemm"', '"name": "other", "name": "gemm"').encode())
    timeline = read(torch=path)
    assert timeline is not None
    assert "gemm" in timeline.names


@pytest.mark.parametrize("place", ["manifest.json", "hooks.jsonl"])
@pytest.mark.parametrize("brackets", ["[" * DEPTH, '{"a":' * DEPTH, '{"type":"call","x":' + "[" * DEPTH])
def test_a_bundle_nested_too_deep_is_read_or_refused(place: str, brackets: str, tmp_path: Path) -> None:
    path = Path(shutil.copytree(BUNDLE, tmp_path / "b"))
    (path / place).write_text(brackets)
    timeline = read(bundle=path)
    assert (timeline is None) == (place == "manifest.json")
    if timeline is not None:
        assert any("hook log" in problem.detail for problem in timeline.problems)


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"traceEvents": [' + b"[" * DEPTH)
    done = ortprobe("report", "--torch", "bad.json", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "bad.json" in done.stderr
