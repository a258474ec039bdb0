"""Profiles that onnxruntime 1.17 to 1.32 wrote, against what is known of each recording without reading it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captures import DATA

from ortprobe.errors import UnreadableInput
from ortprobe.ingest import load_files
from ortprobe.timeline import NONE, Kind, ProblemKind, Timeline

ORT = DATA / "ort-versions"
VERSIONS = sorted(
    (path.name for path in ORT.iterdir() if path.is_dir()), key=lambda name: [int(part) for part in name.split(".")]
)
RAW_NAMES = [version for version in VERSIONS if int(version.split(".")[1]) < 31]
"""Versions that write names as they are, with bare quotes, backslashes and newlines: seen to 1.30.0, not in 1.31.1."""
FENCED = [version for version in VERSIONS if int(version.split(".")[1]) < 21]
"""Versions that write an event before and one after each node, for fences that no longer exist."""
SLACK_NS = 2_000
"""ORT truncates times to µs."""

Known = dict[str, Any]


def known(version: str, recording: str) -> Known:
    """What make.py wrote down while it recorded."""
    facts: Known = json.loads((ORT / version / "known.json").read_text())[recording]
    return facts


def profile(version: str, recording: str) -> Path:
    return ORT / version / f"{recording}.json.gz"


def load(version: str, recording: str) -> Timeline:
    return load_files(ort=[f"{profile(version, recording)}@{known(version, recording)['start_ns']}"])


def executions(timeline: Timeline) -> Counter[str]:
    return Counter(timeline.name_of(span) for span in timeline.spans.of_kind(Kind.ORT_NODE).tolist())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("recording", ["plain", "subgraphs", "parallel", "threads"])
def test_every_execution_of_every_node_is_there_under_its_name(version, recording):
    assert executions(load(version, recording)) == known(version, recording)["nodes"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("recording", ["plain", "subgraphs", "parallel", "threads"])
def test_each_run_lies_inside_the_call_that_made_it_on_its_thread(version, recording):
    timeline = load(version, recording)
    runs = timeline.runs
    threads = [timeline.lanes[lane].thread for lane in runs.lane.tolist()]
    seen = sorted(zip(threads, runs.start_ns.tolist(), runs.end_ns.tolist(), strict=True))
    made = sorted((thread, before, after) for before, after, thread in known(version, recording)["runs"])
    assert [thread for thread, *_ in seen] == [thread for thread, *_ in made]
    for (_, start_ns, end_ns), (_, before_ns, after_ns) in zip(seen, made, strict=True):
        assert before_ns - SLACK_NS <= start_ns <= end_ns <= after_ns + SLACK_NS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("recording", ["plain", "subgraphs", "parallel", "threads"])
def test_every_run_has_its_share_of_the_nodes(version, recording):
    timeline = load(version, recording)
    facts = known(version, recording)
    share = sum(facts["nodes"].values()) // len(facts["runs"])
    nodes = timeline.spans.of_kind(Kind.ORT_NODE)
    assert np.bincount(timeline.links.run[nodes]).tolist() == [share] * len(facts["runs"])


@pytest.mark.parametrize("version", VERSIONS)
def test_nodes_have_their_operator_and_provider_and_are_one_for_all_runs(version):
    timeline = load(version, "plain")
    nodes = timeline.nodes
    described = {
        tuple(timeline.names[int(column[row])] for column in (nodes.name, nodes.op_type, nodes.provider))
        for row in range(len(nodes))
    }
    assert described == {(name, "Neg", "CPUExecutionProvider") for name in ("first", "second", "third")}
    shapes = {timeline.names[int(shape)].replace(" ", "") for shape in timeline.node_spans.input_shapes}
    assert shapes == {'[{"float":[2,4]}]', '[{"float":[5,4]}]'}


@pytest.mark.parametrize("version", VERSIONS)
def test_loading_and_initialisation_are_those_of_one_session_of_the_process(version):
    timeline = load(version, "plain")
    (session,) = timeline.sessions
    assert session.load_ns is not None
    assert session.initialize_ns is not None
    assert session.load_ns + session.initialize_ns < timeline.runs.start_ns[0] - known(version, "plain")["start_ns"]
    assert {lane.process for lane in timeline.lanes} == {known(version, "plain")["process"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_subgraph_lies_inside_the_node_that_has_it(version):
    timeline = load(version, "subgraphs")
    spans = timeline.spans
    by_name: dict[str, list[tuple[int, int]]] = {}
    for span in spans.of_kind(Kind.ORT_NODE).tolist():
        by_name.setdefault(timeline.name_of(span), []).append((int(spans.start_ns[span]), int(spans.end_ns[span])))
    for outer, inner in (("if", "then"), ("loop", "loop_add"), ("scan", "scan_add")):
        for start_ns, end_ns in by_name[inner]:
            assert any(low <= start_ns and end_ns <= high + SLACK_NS for low, high in by_name[outer])
    # The graph itself, the branch, three rounds and four rows.
    assert len(spans.of_kind(Kind.ORT_EXECUTE)) == len(timeline.runs) * (1 + 1 + 3 + 4)


@pytest.mark.parametrize("version", VERSIONS)
def test_parallel_execution_uses_threads_other_than_that_of_the_run(version):
    timeline = load(version, "parallel")
    of_runs, of_nodes = (
        {timeline.lane_of(span).thread for span in timeline.spans.of_kind(kind).tolist()}
        for kind in (Kind.ORT_RUN, Kind.ORT_NODE)
    )
    assert of_runs == {known(version, "parallel")["runs"][0][2]}
    assert of_nodes - of_runs


@pytest.mark.parametrize("version", VERSIONS)
def test_fences_are_neither_nodes_nor_runs(version):
    timeline = load(version, "plain")
    fences = 2 * 9 if version in FENCED else 0
    assert len(timeline.spans.of_kind(Kind.OTHER)) == fences


@pytest.mark.parametrize("version", VERSIONS)
def test_all_names_survive(version):
    assert executions(load(version, "names")) == known(version, "names")["nodes"]


@pytest.mark.parametrize("version", ["1.17.3", "1.24.4", "1.32.0"])
def test_a_killed_programs_empty_profile_is_named_as_such(version):
    with pytest.raises(UnreadableInput, match="is empty; ONNX Runtime writes a profile when the session ends"):
        load_files(ort=[profile(version, "killed")])


@pytest.mark.parametrize("version", ["1.17.3", "1.24.4", "1.32.0"])
def test_two_sessions_on_one_file_are_told(version):
    timeline = load_files(ort=[profile(version, "collision")])
    last = known(version, "collision")["runs_of_both"][-1]
    assert len(timeline.runs) == last, "the runs of the session that wrote last are whole; the others' are not"
    (problem,) = [one for one in timeline.problems if one.kind is ProblemKind.PROFILE_SHARED]
    assert "two sessions" in problem.detail


@pytest.mark.parametrize("version", ["1.31.1", "1.32.0"])
def test_dropped_events_are_counted(version):
    facts = known(version, "truncated")
    (problem,) = [one for one in load(version, "truncated").problems if one.kind is ProblemKind.PROFILE_TRUNCATED]
    assert problem.count == facts["events_made"] - 1_000_000
    assert facts["events_written"] == 1_000_001


@pytest.mark.parametrize("version", ["1.30.0", "1.31.1", "1.32.0"])
def test_nodes_of_the_run_that_was_cut_off_belong_to_no_run(version):
    timeline = load(version, "truncated")
    spans, links = timeline.spans, timeline.links
    nodes = spans.of_kind(Kind.ORT_NODE)
    last_end_ns = int(timeline.runs.end_ns.max()) if len(timeline.runs) else 0
    after = nodes[spans.start_ns[nodes] > last_end_ns]
    assert len(after)
    assert (links.run[after] == NONE).all()


def test_the_recordings_are_what_they_are_said_to_be():
    """Their facts, read with the standard library alone."""
    for version in ("1.17.3", "1.32.0"):
        events = json.loads(gzip.decompress(profile(version, "plain").read_bytes()))
        assert sum(event["name"] == "model_run" for event in events) == 3
        assert {event["pid"] for event in events} == {known(version, "plain")["process"]}
    for version in ("1.30.0", "1.31.1", "1.32.0"):
        names = [event["name"] for event in json.loads(gzip.decompress(profile(version, "truncated").read_bytes()))]
        assert ("profile_truncated" in names) == (version != "1.30.0")
