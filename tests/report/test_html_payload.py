"""What the page weighs, what it lets in, and that its columns say what they were given."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs_version

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.charts import TRACE_TYPES, build_charts
from ortprobe.report.html import render_html
from ortprobe.report.html.columns import encode
from ortprobe.report.html.findings import finding_views
from ortprobe.report.html.page import BUNDLED_PLOTLY, page_script, plotly_source, script_json
from ortprobe.report.html.payload import build_payload
from ortprobe.report.html.sections import attribution, clock_sentence
from ortprobe.report.html.side import whole_page
from ortprobe.report.html.tables import build_tables
from ortprobe.report.rows.marks import stack_depths
from ortprobe.rules import Judgement, find_rule, judge
from ortprobe.timeline import ClockBound, ClockMethod, SourceKind
from tests.captures import example, resnet

_FIXED_BYTES = 1_000_000
_BYTES_PER_EVENT = 6


@cache
def judgement() -> Judgement:
    return judge(Analyses(resnet()))


@cache
def resnet_html() -> str:
    return render_html(judgement())


def decode(text: str, length: int, specs: list[tuple[str, int, bool]]) -> dict[str, list[int]]:
    raw, offset, columns = zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS), 0, {}
    for name, width, delta in specs:
        planes = np.frombuffer(raw, np.uint8, width * length, offset).reshape(width, length)
        unsigned = [int.from_bytes(bytes(planes[:, i]), "little") for i in range(length)]
        values = [(value >> 1) ^ -(value & 1) for value in unsigned]
        columns[name] = np.cumsum(values).tolist() if delta else values
        offset += width * length
    assert offset == len(raw)
    return columns


@given(st.lists(st.integers(-(2**51), 2**51)), st.booleans())
def test_columns_come_back_as_they_were(values: list[int], delta: bool) -> None:
    encoded = encode({"a": np.array(values, np.int64)}, frozenset({"a"} if delta else ()))
    specs = [(each.name, each.width, each.delta) for each in encoded.specs]
    assert decode(encoded.text, encoded.length, specs) == {"a": values}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=40))
def test_marks_of_one_row_never_overlap(intervals: list[tuple[int, int]]) -> None:
    ordered = sorted(intervals, key=lambda each: (each[0], -each[1]))
    start = np.array([each[0] for each in ordered], np.int64)
    end = start + np.array([each[1] for each in ordered], np.int64)
    depth = stack_depths(start, end)
    for row in set(depth.tolist()):
        inside = depth == row
        assert (start[inside][1:] >= end[inside][:-1]).all()


def test_the_page_keeps_to_its_weight() -> None:
    payload = build_payload([whole_page(judgement())], 8_000_000)
    assert payload.marks_left_out == 0
    assert payload.bytes_per_mark <= _BYTES_PER_EVENT
    assert len(resnet_html()) - len(payload.marks) <= _FIXED_BYTES


def test_a_byte_budget_is_kept_and_evidence_stays_and_the_header_counts_what_is_missing() -> None:
    budget = 60_000
    payload = build_payload([whole_page(judgement())], budget)
    assert len(payload.marks) <= budget
    assert payload.marks_left_out > 0
    specs = [tuple(each) for each in payload.model["marks"]["columns"]]
    columns = decode(payload.marks, payload.marks_shown, specs)
    cited = {span for finding in judgement().findings for span in finding.evidence}
    assert cited
    assert cited <= set(columns["ref"])
    html = render_html(judgement(), budget_bytes=budget)
    whole = payload.marks_left_out + payload.marks_shown
    assert f"{payload.marks_left_out:,} of {whole:,} events are left out" in html


def test_the_policy_lets_in_these_scripts_and_nothing_else() -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', resnet_html())
    assert policy is not None
    directives = policy[1].replace("&#39;", "'").split("; ")
    allowed = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
               for s in (page_script(), plotly_source())]  # fmt: skip
    assert "default-src 'none'" in directives
    assert "script-src " + " ".join(allowed) in directives
    assert "unsafe-eval" not in policy[1]
    assert f"<script>{page_script()}</script>" in resnet_html()


def test_data_is_never_markup() -> None:
    text = script_json({"</script>": "<img onerror=alert(1)> & \u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"</script>": "<img onerror=alert(1)> & \u2028\u2029"}
    assert "innerHTML" not in page_script()


def test_the_bundle_is_of_the_version_that_plotly_declares() -> None:
    if get_plotlyjs_version() != BUNDLED_PLOTLY:
        pytest.skip(f"another plotly is installed, which brings plotly.js {get_plotlyjs_version()}")
    assert f"plotly.js (basic - minified) v{BUNDLED_PLOTLY}" in plotly_source()[:200]


def test_figures_use_nothing_that_the_bundle_would_draw_as_something_else() -> None:
    drawn = {trace["type"] for chart in build_charts(judgement()) if chart.figure for trace in chart.figure["data"]}
    assert drawn == TRACE_TYPES


def test_a_clock_is_bounded_in_words() -> None:
    clock = ClockBound(source=0, method=ClockMethod.EPOCH, low_ns=-4_900, high_ns=1_900, witnesses=1_170)
    assert clock_sentence(clock, SourceKind.ORT_PROFILE) == (
        "states Unix time; agrees with the other sources: off by between −4.9 and +1.9 µs, checked 1,170 times"
    )
    off = ClockBound(source=0, method=ClockMethod.EPOCH, low_ns=2_000, high_ns=3_000, witnesses=12)
    assert "disagrees with the other sources" in clock_sentence(off, SourceKind.ORT_PROFILE)


def test_evidence_on_the_device_goes_by_its_onnx_node() -> None:
    (race,) = (view for view in finding_views(judge(example("missing-wait"))) if view.code == "Y1")
    assert [button.label.partition(" at ")[0] for button in race.evidence[:2]] == [
        "Memcpy DtoD (Device -> Device)", "/conv0 (GPU)"
    ]  # fmt: skip


def test_a_finding_comes_with_the_documentation_of_its_rule() -> None:
    views = finding_views(judge(example("missing-wait")))
    assert len(views) >= 2
    for view in views:
        documentation = find_rule(view.code).documentation
        meaning = {section.heading: "\n\n".join(section.paragraphs) for section in view.meaning}
        assert meaning == {
            "What it is": documentation.what_it_is,
            "Why it matters": documentation.why_it_matters,
            "Evidence": documentation.evidence,
            "When it is wrong": documentation.when_it_is_wrong,
        }


def test_the_page_says_how_kernels_found_their_nodes():
    judged = judge(example("healthy"))
    facts = {fact.term: fact.value for fact in attribution(judged)}
    assert (facts["… seen inside it"], facts["… by the same sequence"]) == ("820", "820")
    nodes = next(table for table in build_tables(judged) if table.key == "nodes")
    assert "1,640 of 1,640 kernels of ORT have their node: 820 seen inside it" in nodes.note
