"""Captures side by side on one page: nothing is lost, and each shows what its own page shows."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.html.alignment import align, stretch_from
from ortprobe.report.html.payload import Payload, build_payload
from ortprobe.report.html.side import Side, in_pairs, numbered_apart, whole_page
from ortprobe.report.rows.marks import PageLane, Ref
from ortprobe.rules import Judgement, judge
from ortprobe.timeline import NONE
from tests.captures import example, racy, resnet, service
from tests.scene import Scene

_EVERYTHING = 1_000_000_000
_SHIFT_NS = 7_654_321
_PAIRS = (("missing-wait", "healthy"), ("resnet", "resnet"), ("set-providers", "racy"), ("service", "set-providers"))
_LETTERS = tuple(ref.value for ref in Ref)

Columns = dict[str, NDArray[Any]]


@cache
def judged(name: str) -> Judgement:
    files = {"resnet": resnet, "racy": racy, "service": service}
    return judge(Analyses(files[name]()) if name in files else example(name))


def beside(before: Judgement, after: Judgement) -> tuple[Side, ...]:
    """The second begins `_SHIFT_NS` after the first."""
    shift_ns = before.analyses.timeline.start_ns - after.analyses.timeline.start_ns + _SHIFT_NS
    return numbered_apart(
        (replace(whole_page(before), label="before"), replace(whole_page(after), label="after", shift_ns=shift_ns))
    )


@dataclass(frozen=True)
class Drawn:
    """What a page draws of one capture, in its own numbers, with names in place of numbers of names."""

    marks: Columns
    waits: Columns
    pieces: Columns
    races: Columns
    arena: Columns
    lanes: dict[str, tuple[object, ...]]
    nodes: dict[str, list[Any]]
    sites: dict[int, str]
    runs_session: list[int]
    replaces: list[int | None]


def columns(text: str, spec: Mapping[str, Any]) -> Columns:
    raw = np.frombuffer(zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS), np.uint8)
    found, offset, length = {}, 0, spec["length"]
    for name, width, is_delta in spec["columns"]:
        planes = raw[offset : offset + width * length].reshape(width, length).astype(np.uint64)
        unsigned = (planes << np.arange(0, 8 * width, 8).astype(np.uint64)[:, None]).sum(axis=0, dtype=np.uint64)
        values = (unsigned >> np.uint64(1)).astype(np.int64) ^ -(unsigned & np.uint64(1)).astype(np.int64)
        found[name] = np.cumsum(values) if is_delta else values
        offset += width * length
    return found


def drawn(payload: Payload, position: int, own: Side) -> Drawn:
    """Of the capture at this position, whose numbers `own` says."""
    model: Mapping[str, Any] = payload.model
    names = np.array([*json.loads(zlib.decompress(base64.b64decode(payload.names), -zlib.MAX_WBITS)), ""], object)
    timeline, first, start = own.timeline, own.first, model["sides"][position]["start"]

    def mine(values: NDArray[Any], ref: Ref = Ref.SPAN) -> NDArray[Any]:
        return np.where(values == NONE, NONE, values - first[ref])

    marks = columns(payload.marks, model["marks"])
    row = np.repeat(np.arange(len(model["rows"])), np.diff(model["row_offsets"]))
    lane_of_row = np.array([row[0] for row in model["rows"]])
    side_of_lane = np.array([lane["side"] for lane in model["lanes"]])
    chosen = side_of_lane[lane_of_row[row]] == position
    marks = {name: values[chosen] for name, values in marks.items()}
    refs = np.array(model["refs"])[marks["category"]]
    raised = np.array([first[ref] for ref in Ref])[np.array([_LETTERS.index(ref) for ref in refs], np.int64)]
    places = [
        f"{model['lanes'][lane]['key'].removeprefix(f'{own.label}-')} {layer} {depth} {heat}"
        for lane, layer, depth, heat in model["rows"]
    ]
    marks |= {
        "place": np.array([*places, ""], object)[row[chosen]],
        "start": marks["start"] - start,
        "name": names[marks["name"]],
        "ref": marks["ref"] - raised,
        "node": np.where(marks["node"] == NONE, NONE, marks["node"] - own.first_node),
        "run": mine(marks["run"], Ref.RUN),
        "source": np.array([*model["sources"], ""], object)[marks["source"]],
    }
    waits = slice(first[Ref.WAIT], first[Ref.WAIT] + len(own.judgement.analyses.waits))
    pieces = slice(first[Ref.PIECE], first[Ref.PIECE] + sum(map(_pieces, own.judgement.analyses.idle.devices)))
    arena = columns(payload.arena, model["arena"])
    races = columns(payload.races, model["races"])
    spans = range(first[Ref.SPAN], first[Ref.SPAN] + len(timeline.spans))
    of_side = np.isin(races["first"], spans)
    nodes = slice(own.first_node, own.first_node + len(timeline.nodes))
    runs = slice(first[Ref.RUN], first[Ref.RUN] + len(timeline.runs))
    sessions = slice(first[Ref.CREATION], first[Ref.CREATION] + len(timeline.sessions))
    session = np.array(model["nodes"]["session"][nodes], np.int64)
    return Drawn(
        marks=marks,
        waits={
            name: values[waits] if name == "stall" else mine(values[waits])
            for name, values in columns(payload.waits, model["waits"]).items()
        },
        pieces={name: mine(values[pieces]) for name, values in columns(payload.pieces, model["pieces"]).items()},
        races={
            "first": mine(races["first"][of_side]),
            "second": mine(races["second"][of_side]),
            "slack": races["slack"][of_side],
        },
        arena={
            "time": arena["time"][arena["side"] == position] - start,
            "held": arena["held"][arena["side"] == position],
        },
        lanes={
            lane["key"].removeprefix(f"{own.label}-"): (
                lane["label"].removeprefix(f"{own.label} · "),
                lane["note"],
                lane["folded"],
                lane["counter"],
            )
            for lane in model["lanes"]
            if lane["side"] == position
        },
        nodes={
            "session": mine(session, Ref.CREATION).tolist(),
            **{kind: names[model["nodes"][kind][nodes]].tolist() for kind in ("name", "op_type", "provider")},
        },
        sites={span - first[Ref.SPAN]: names[site] for span, site in model["sites"].items() if span in spans},
        runs_session=mine(np.array(model["runs_session"][runs], np.int64), Ref.CREATION).tolist(),
        replaces=[each if each is None else each - first[Ref.CREATION] for each in model["replaces"][sessions]],
    )


def _pieces(device: Any) -> int:
    return len(device.columns.piece_gap)


def same_columns(found: Columns, expected: Columns) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def in_order(marks: Columns) -> Columns:
    """By place and start: the order of rows differs where lanes stand in pairs."""
    order = np.lexsort((marks["ref"], marks["start"], marks["place"].astype(str)))
    return {name: values[order] for name, values in marks.items()}


@pytest.mark.parametrize("names", _PAIRS, ids="+".join)
def test_each_capture_is_drawn_as_on_its_own_page(names: tuple[str, str]) -> None:
    sides = beside(*map(judged, names))
    both = build_payload(sides, _EVERYTHING)
    for position, side in enumerate(sides):
        alone = numbered_apart([whole_page(side.judgement)])
        expected = drawn(build_payload(alone, _EVERYTHING), 0, alone[0])
        found = drawn(both, position, side)
        same_columns(in_order(found.marks), in_order(expected.marks))
        for part in ("waits", "pieces", "races", "arena"):
            same_columns(getattr(found, part), getattr(expected, part))
        for part in ("lanes", "nodes", "sites", "runs_session", "replaces"):
            assert getattr(found, part) == getattr(expected, part), part


def test_what_both_captures_have_alike_stays_apart() -> None:
    """The same capture twice: every process, device, stream, correlation and name is on both sides."""
    sides = beside(judged("resnet"), judged("resnet"))
    model: Mapping[str, Any] = build_payload(sides, _EVERYTHING).model
    assert len({lane["key"] for lane in model["lanes"]}) == len(model["lanes"])
    assert len({lane["label"] for lane in model["lanes"]}) == len(model["lanes"])
    assert model["sources"] == 2 * [source.path for source in resnet().sources]


def test_keys_name_the_marks_of_their_capture() -> None:
    first, second = beside(judged("missing-wait"), judged("healthy"))
    runs, spans = len(first.timeline.runs), len(first.timeline.spans)
    assert [first.key(key) for key in ("r3", "s12", "")] == ["r3", "s12", ""]
    assert [second.key(key) for key in ("r3", "s12", "")] == [f"r{runs + 3}", f"s{spans + 12}", ""]


def test_what_findings_of_either_side_cite_is_never_left_out() -> None:
    sides = beside(judged("missing-wait"), judged("set-providers"))
    whole, small = (build_payload(sides, budget) for budget in (_EVERYTHING, 20_000))
    assert small.marks_left_out > 0
    assert small.marks_shown + small.marks_left_out == whole.marks_shown

    def drawn_spans(payload: Payload) -> set[int]:
        model: Mapping[str, Any] = payload.model
        marks = columns(payload.marks, model["marks"])
        is_span = np.array(model["refs"])[marks["category"]] == Ref.SPAN
        return set(marks["ref"][is_span].tolist())

    for side in sides:
        cited = {int(span) for finding in side.judgement.findings for span in side.numbered(np.array(finding.evidence))}
        assert cited
        assert cited & drawn_spans(whole) <= drawn_spans(small)


_ROLES = st.lists(st.sampled_from(["thread", "stream", "idle", "queue"]), max_size=8)


@given(_ROLES, _ROLES)
def test_lanes_of_one_role_stand_together(first: list[str], second: list[str]) -> None:
    lanes = [
        PageLane(f"{side}-{number}", "", role=role, side=side)
        for side, roles in enumerate((first, second))
        for number, role in enumerate(roles)
    ]
    order = in_pairs(lanes)
    assert sorted(order) == list(range(len(lanes)))
    shown = [lanes[position] for position in order]
    assert [lane for lane in shown if lane.side == 0] == lanes[: len(first)]
    for role in set(first):
        own, other = ([lane for lane in lanes if lane.role == role and lane.side == side] for side in (0, 1))
        for lane, counterpart in zip(own, other, strict=False):
            assert shown.index(counterpart) == shown.index(lane) + 1


def test_one_capture_keeps_its_order() -> None:
    lanes = [PageLane("a", "", role="thread"), PageLane("b", "", role="stream"), PageLane("c", "", role="thread")]
    assert in_pairs(lanes) == [0, 1, 2]


def test_captures_are_laid_over_each_other_at_median_steady_runs() -> None:
    before, after = judged("missing-wait").analyses, judged("healthy").analyses
    found = align(before, after, [(0, 0)])
    assert found is not None
    for analyses, run in ((before, found.before), (after, found.after)):
        times = analyses.runs
        assert times.steady[run]
        assert times.latency_ns[run] == np.sort(times.latency_ns[times.steady])[(times.steady.sum() - 1) // 2]
        start_ns, end_ns = stretch_from(analyses, run)
        runs = analyses.timeline.runs
        assert start_ns < runs.start_ns[run] < runs.end_ns[run] < end_ns


def test_captures_without_runs_of_one_session_are_not_laid_over_each_other() -> None:
    before, after = judged("missing-wait").analyses, judged("healthy").analyses
    assert align(before, after, []) is None
    assert align(before, after, [(7, 0)]) is None


def test_first_runs_do_when_there_are_no_others(tmp_path: Path) -> None:
    scene = Scene()
    scene.profile().load(0, 20).initialize(20, 30).run(100, 50)
    found = align(Analyses(scene.load(tmp_path)), judged("healthy").analyses, [(0, 0)])
    assert found is not None
    assert found.before == 0
