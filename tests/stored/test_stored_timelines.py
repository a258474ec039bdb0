"""A Timeline as bytes, and back: the same one, and nothing else than a Timeline that could be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import captures
import numpy as np
import pytest
from hostile import judged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_models import ran
from same import differences
from scene import Scene
from traces.reading import WAYS, read
from traces.strategies import healthy_captures, lossy_captures

from ortprobe.errors import UnreadableInput
from ortprobe.ingest import load_bundle, load_bundles, load_files
from ortprobe.stored import decode_timeline, encode_timeline
from ortprobe.stored.checks import NEVER_NONE, REFERENCES, contradiction
from ortprobe.stored.columns import decode_column, encode_column
from ortprobe.timeline import NONE, Problem, ProblemKind, Site, Timeline
from ortprobe.timeline.columns import attribute_docs

BUNDLES = sorted([*captures.DATA.rglob("*.ortprobe"), *captures.DATA.rglob("*.zip")])
some = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


def through(timeline: Timeline) -> Timeline:
    return decode_timeline(encode_timeline(timeline), "x.pftrace")


def refused(timeline: Timeline) -> str:
    with pytest.raises(UnreadableInput) as refusal:
        through(timeline)
    return str(refusal.value)


@cache
def small() -> Timeline:
    """Of a program with two threads; it has rows in every table."""
    return load_bundle(captures.DATA / "h200-healthy" / "thread_pool.zip")


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recording_comes_back_the_same(path: Path) -> None:
    timeline = load_bundle(path)
    assert differences(through(timeline), timeline) == []


@pytest.mark.parametrize("timeline", [captures.resnet, captures.racy], ids=["resnet", "racy"])
def test_bare_files_come_back_the_same(timeline: Callable[[], Timeline]) -> None:
    assert differences(through(timeline()), timeline()) == []


@some
@given(healthy_captures() | lossy_captures(), st.sampled_from(WAYS))
def test_generated_captures_come_back_the_same(capture: Any, way: str) -> None:
    timeline, _ = read(capture, way)
    assert differences(through(timeline), timeline) == []


def test_several_processes_come_back_the_same() -> None:
    names = ("healthy", "set-providers")
    timeline = load_bundles([captures.DATA / "h100-examples" / f"{name}.ortprobe" for name in names])
    assert differences(through(timeline), timeline) == []


@pytest.mark.parametrize("name", ["convolutions", "products"])
def test_models_and_what_nodes_were_in_them_come_back_the_same(name: str) -> None:
    run = ran(name, "all")
    timeline = load_files(ort=[run.profile], models=[run.model])
    assert len(timeline.model_links)
    assert differences(through(timeline), timeline) == []


def test_nothing_comes_back_as_nothing(tmp_path: Path) -> None:
    timeline = load_bundle(Scene().write_bundle(tmp_path / "empty.ortprobe"))
    assert differences(through(timeline), timeline) == []


@pytest.mark.parametrize("name", ["</script>", "\0\x1b[2J", "\u202e", "", "\N{PILE OF POO}", '"', "x" * (1 << 20)])
def test_any_name_comes_back_as_it_is(name: str) -> None:
    (session, *others) = small().sessions
    session = replace(session, model=name, site=Site(file=name, line=3), session_options={name: name})
    problem = Problem(kind=ProblemKind.CLOCK_DOUBT, detail=name, start_ns=-5)
    timeline = replace(
        small(), names=(*small().names, f"of its own {name}"), sessions=(session, *others), problems=(problem,),
        sources=tuple(replace(source, path=name) for source in small().sources),
    )  # fmt: skip
    assert differences(through(timeline), timeline) == []


@given(
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1)),
    st.sampled_from([np.int64, np.int32, np.uint8, np.bool_]),
    st.booleans(),
)
def test_any_column_comes_back(values: list[int], dtype: type, in_order: bool) -> None:
    column = np.array(values, np.int64).astype(dtype)
    column = np.sort(column) if in_order else column
    form, content = encode_column(column)
    found = decode_column(form, memoryview(content))
    assert found.dtype == column.dtype
    assert np.array_equal(found, column)


def test_columns_that_do_not_lie_in_one_piece_come_back() -> None:
    column = np.arange(30, dtype=np.int32).reshape(5, 6).T[2]
    form, content = encode_column(column)
    assert decode_column(form, memoryview(content)).tolist() == column.tolist()


# What a stranger may have written: one thing each that no Timeline of ours has.


def with_column(table: str, column: str, change: Callable[[np.ndarray], np.ndarray]) -> Timeline:
    rows = getattr(small(), table)
    return replace(small(), **{table: replace(rows, **{column: change(getattr(rows, column).copy())})})


def all_to(value: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda column: np.full_like(column, value)


COLUMNS = [(owner, column) for owner, columns in REFERENCES.items() for column in columns if column != "model"]
TABLES = {type(getattr(small(), field.name)): field.name for field in fields(Timeline)}


@pytest.mark.parametrize(("owner", "column"), COLUMNS, ids=lambda part: getattr(part, "__name__", part))
@pytest.mark.parametrize("value", [-2, -(1 << 31), (1 << 31) - 1])
def test_rows_that_are_not_there_are_refused(owner: type, column: str, value: int) -> None:
    if not len(getattr(getattr(small(), TABLES[owner]), column)):
        pytest.fail("the recording has no such rows")
    assert f"{TABLES[owner]}.{column} counts" in refused(with_column(TABLES[owner], column, all_to(value)))


@pytest.mark.parametrize(("owner", "column"), [(owner, column) for owner in NEVER_NONE for column in NEVER_NONE[owner]])
def test_what_is_never_missing_is_not(owner: type, column: str) -> None:
    if len(getattr(getattr(small(), TABLES[owner]), column)):
        assert f"{TABLES[owner]}.{column} counts" in refused(with_column(TABLES[owner], column, all_to(NONE)))


def test_columns_that_count_rows_of_a_table_are_known_as_such() -> None:
    said = {
        (owner, column)
        for owner in REFERENCES
        for column, meaning in attribute_docs(owner).items()
        if any(
            words in meaning for words in ("Index in `Timeline.", "ow in `", "The span of kind", "HOOK span", "_SPAN")
        )
    }
    assert said
    assert {(owner, column) for owner, column in said if column in {each.name for each in fields(owner)}} <= {
        (owner, column) for owner, columns in REFERENCES.items() for column in columns
    }


FORGED: dict[str, tuple[Callable[[], Timeline], str]] = {
    "spans out of order": (lambda: with_column("spans", "start_ns", lambda each: each[::-1] - (1 << 40)), "order"),
    "spans that end before they start": (
        lambda: with_column("spans", "end_ns", lambda each: each - (1 << 50)), "end before",
    ),
    "times beyond all": (lambda: with_column("spans", "end_ns", all_to(1 << 62)), "no times"),
    "a kind that is none": (lambda: with_column("spans", "kind", all_to(77)), "no Kind"),
    "columns of two lengths": (lambda: with_column("spans", "row", lambda each: each[:-1]), "differ in length"),
    "links of other spans": (lambda: with_column("links", "launch", lambda each: each[:-1]), "differ in length"),
    "names that lack some": (lambda: replace(small(), names=small().names[:3]), "counts names"),
    "two equal names": (lambda: replace(small(), names=(*small().names, small().names[0])), "twice"),
    "runs out of order": (
        lambda: with_column("runs", "start_ns", lambda each: each[::-1] - (1 << 40)), "runs are out of order",
    ),
    "work that is of no device": (
        lambda: replace(
            small(), device_ops=replace(small().device_ops, span=small().device_ops.span[::-1].copy())
        ),
        "not of the spans of their kind",
    ),
    "launched by a kernel": (
        lambda: with_column("links", "launch", all_to(int(small().device_ops.span[0]))), "another kind",
    ),
    "streams as threads": (lambda: replace(small(), lanes=tuple(small().lanes[::-1])), "lies on a"),
    "sources that hold other spans": (
        lambda: replace(small(), sources=tuple(replace(each, spans=5) for each in small().sources)), "other spans",
    ),
    "sessions by other numbers": (
        lambda: replace(small(), sessions=tuple(replace(each, index=9) for each in small().sessions)), "numbered",
    ),
    "a session that replaces itself": (
        lambda: replace(small(), sessions=tuple(replace(each, replaces=each.index) for each in small().sessions)),
        "replaces",
    ),
    "evidence that is not there": (
        lambda: replace(small(), problems=(Problem(kind=ProblemKind.KILLED, detail="", evidence=(1 << 40,)),)),
        "evidence",
    ),
    "numbers beyond 64 bits": (
        lambda: replace(small(), lanes=tuple(replace(each, thread=1 << 70) for each in small().lanes)), "64 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_can_not_be_is_refused(name: str) -> None:
    forge, words = FORGED[name]
    assert words in refused(forge())


@pytest.mark.parametrize("what", ["nodes.inputs.rows", "nodes.name", "values.producer", "initializers.value"])
def test_a_model_that_counts_what_it_lacks_is_refused(what: str) -> None:
    run = ran("convolutions", "all")
    timeline = load_files(ort=[run.profile], models=[run.model])
    (model,) = timeline.models
    assert "not there" in refused(replace(timeline, models=(replaced(model, what.split("."), all_to(1 << 20)),)))
    links = replace(timeline.model_links, graph_nodes=replaced(timeline.model_links.graph_nodes, ["rows"], all_to(999)))
    assert "lacks" in refused(replace(timeline, model_links=links))


def replaced(whole: Any, way: list[str], change: Callable[[np.ndarray], np.ndarray]) -> Any:
    name, *rest = way
    inner = getattr(whole, name)
    return replace(whole, **{name: replaced(inner, rest, change) if is_dataclass(inner) else change(inner.copy())})


# Bytes that are no Timeline.


def head_and_columns(content: bytes) -> tuple[dict[str, Any], bytes]:
    begin = len(b"ortprobe timeline\n") + 8
    behind = begin + int.from_bytes(content[begin - 8 : begin], "little")
    return json.loads(content[begin:behind]), content[behind:]


def put_together(head: object, columns: bytes) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return b"".join((b"ortprobe timeline\n", len(text).to_bytes(8, "little"), text, columns))


@pytest.mark.parametrize(("key", "value"), [("format", 99), ("layout", "0" * 16)])
def test_one_of_another_version_is_refused_with_that_version(key: str, value: object) -> None:
    head, columns = head_and_columns(encode_timeline(small()))
    later = put_together({**head, key: value, "written_by": "7.8.9", "timeline": {"whatever": 1}}, columns)
    with pytest.raises(UnreadableInput, match=r"x\.pftrace: was exported by ortprobe 7\.8\.9.*use the version"):
        decode_timeline(later, "x.pftrace")


HEADS: dict[str, object] = {
    "no JSON": b"{",
    "no UTF-8": b'{"\xff": 1}',
    "nested too deep": b"[" * 100_000,
    "a list": [],
    "numbers that never end": b'{"format": ' + b"1" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UnreadableInput):
        decode_timeline(put_together(HEADS[name], b""), "x.pftrace")


COLUMN_LISTS: dict[str, Callable[[list[Any]], Any]] = {
    "none": lambda forms: [],
    "another type": lambda forms: [["int8", *forms[0][1:]], *forms[1:]],
    "more rows than there are": lambda forms: [["int64", 1 << 62, False], *forms[1:]],
    "fewer than no rows": lambda forms: [["int64", -8, False], *forms[1:]],
    "more than a number of rows": lambda forms: [["int64", 10**400, False], *forms[1:]],
    "wide for narrow": lambda forms: [["int32", forms[0][1] * 2, False], *forms[1:]],
    "no list": lambda forms: 7,
}


@pytest.mark.parametrize("name", COLUMN_LISTS)
def test_columns_that_are_not_what_lies_there_are_refused(name: str) -> None:
    head, columns = head_and_columns(encode_timeline(small()))
    forged = put_together({**head, "columns": COLUMN_LISTS[name](head["columns"])}, columns)
    with pytest.raises(UnreadableInput, match="damaged"):
        decode_timeline(forged, "x.pftrace")


@some
@given(st.data())
def test_damaged_bytes_give_a_timeline_that_could_be_or_are_refused(data: st.DataObject) -> None:
    """Without the checksum that an export has around them."""
    content = bytearray(encode_timeline(small()))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.none() | st.integers(0, len(content)))
    judged(lambda: decode_timeline(bytes(content[:cut]), "x.pftrace"))


@some
@given(st.data())
def test_values_of_a_stranger_give_a_timeline_that_could_be_or_are_refused(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(sorted(TABLES.values())))
    rows = getattr(small(), table)
    columns = (
        [each.name for each in fields(rows) if isinstance(getattr(rows, each.name), np.ndarray)]
        if is_dataclass(rows)
        else []
    )
    columns = [name for name in columns if len(getattr(rows, name))]
    if not columns:
        return
    name = data.draw(st.sampled_from(columns))
    column = getattr(rows, name).copy()
    limits = (0, 1) if column.dtype.kind == "b" else (np.iinfo(column.dtype).min, np.iinfo(column.dtype).max)
    near = st.sampled_from(sorted(set(column.tolist()))) | st.integers(-2, 3) | st.integers(*limits)
    for place in data.draw(st.lists(st.integers(0, len(column) - 1), min_size=1, max_size=5)):
        column[place] = np.clip(data.draw(near), *limits)
    forged = replace(small(), **{table: replace(rows, **{name: column})})
    if not contradiction(forged):
        judged(lambda: through(forged))


VALUES = [
    -1, 0, 1, 7, -(1 << 63), (1 << 63) - 1, 1 << 62, 1 << 64, 10**400, 1.5, True, None, "", "x", "\ud800", [], ["x"],
    {}, {"a": "b"}, {"a": {"b": "c"}}, [1 << 40], float("nan"),
]  # fmt: skip


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each (container, key or index) in a JSON value."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from leaves(inner)


@some
@given(st.data())
def test_any_value_in_any_object_gives_a_timeline_that_could_be_or_is_refused(data: st.DataObject) -> None:
    head, columns = head_and_columns(encode_timeline(small()))
    part = data.draw(
        st.sampled_from(["lanes", "sessions", "sources", "clocks", "problems", "capture", "model_links", ""])
    )
    places = list(leaves(head["timeline"][part] if part else head["timeline"]))
    for container, key in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=2)) if places else ():
        container[key] = data.draw(st.sampled_from(VALUES))
    judged(lambda: decode_timeline(put_together(head, columns), "x.pftrace"))
