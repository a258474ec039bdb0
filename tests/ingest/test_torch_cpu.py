"""Traces that torch's profiler wrote on a CPU, against what is known of each without reading it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest
from captures import DATA

from ortprobe.ingest import load_files
from ortprobe.timeline import Kind, ProblemKind, Timeline

TORCH = DATA / "torch-cpu"
VERSIONS = sorted(path.name for path in TORCH.iterdir() if path.is_dir())
SLACK_NS = 1_000
"""torch converts the time stamp counter to Unix time by a line through some readings of both."""
WRITTEN_BY_KINETO = [
    'quote"d', "back/slash", "newline", "unknown", "unknown", "unknown", "</script><b>", "", "{}[],:",
    '}, {"ph": "X"', "unknown",
]  # fmt: skip
"""What Kineto makes of the names of the ranges: no control characters, nothing but ASCII, no backslashes."""

pytestmark = pytest.mark.parametrize("version", VERSIONS)


def known(version: str, recording: str) -> dict[str, Any]:
    """What make.py wrote down while it recorded."""
    facts: dict[str, Any] = json.loads((TORCH / version / "known.json").read_text())[recording.removesuffix("-python")]
    return facts


def load(version: str, recording: str) -> Timeline:
    return load_files(torch=[TORCH / version / f"{recording}.json.gz"])


def ranges(timeline: Timeline) -> list[str]:
    return [timeline.name_of(span) for span in timeline.spans.of_kind(Kind.ANNOTATION).tolist()]


@pytest.mark.parametrize("recording", ["plain", "plain-python", "stacks", "threads"])
def test_each_range_lies_where_the_program_made_it(version, recording):
    timeline = load(version, recording)
    spans = timeline.spans
    found = {timeline.name_of(span): span for span in spans.of_kind(Kind.ANNOTATION).tolist()}
    made = {name: where for name, *where in known(version, recording)["ranges"]}
    assert found.keys() == made.keys()
    for name, (before_ns, after_ns, thread) in made.items():
        span = found[name]
        assert before_ns - SLACK_NS <= spans.start_ns[span] <= spans.end_ns[span] <= after_ns + SLACK_NS
        assert timeline.lane_of(span).thread == thread
        assert timeline.lane_of(span).process == known(version, recording)["process"]


@pytest.mark.parametrize("recording", ["plain", "plain-python"])
def test_both_writers_of_torch_are_read_alike(version, recording):
    timeline = load(version, recording)
    operators = Counter(timeline.name_of(span) for span in timeline.spans.of_kind(Kind.TORCH_OP).tolist())
    assert operators["aten::mm"] == 3
    assert operators["aten::ones"] == 6
    assert ProblemKind.CUT_OFF not in {problem.kind for problem in timeline.problems}


def test_python_functions_and_operators_are_all_there_and_memory_records_are_none_of_them(version):
    text = gzip.decompress((TORCH / version / "stacks.json.gz").read_bytes())
    written = Counter(event.get("cat") for event in json.loads(text)["traceEvents"] if event["ph"] == "X")
    timeline = load(version, "stacks")
    found = Counter(Kind(kind) for kind in timeline.spans.kind.tolist())
    assert found == {
        Kind.PYTHON: written["python_function"],
        Kind.TORCH_OP: written["cpu_op"],
        Kind.ANNOTATION: 1,
    }
    assert any("Linear" in name for name in timeline.names)


def test_a_trace_of_nothing_is_whole_and_empty(version):
    timeline = load(version, "empty")
    assert len(timeline.spans) == 0
    assert ProblemKind.CUT_OFF not in {problem.kind for problem in timeline.problems}


def test_every_name_survives_where_torch_escapes_it(version):
    made = [name for name, *_ in known(version, "names")["ranges"]]
    assert ranges(load(version, "names-python")) == made


def test_every_name_survives_that_kineto_wrote_with_bare_quotes(version):
    assert ranges(load(version, "names")) == WRITTEN_BY_KINETO


def test_metadata_of_the_program_is_not_mistaken_for_that_of_the_trace(version):
    timeline = load(version, "metadata")
    ((_, before_ns, after_ns, _),) = known(version, "metadata")["ranges"]
    assert ranges(timeline) == ["work"]
    assert before_ns - SLACK_NS <= timeline.start_ns <= timeline.end_ns <= after_ns + SLACK_NS
