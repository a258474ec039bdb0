"""The page as one file: template, style, scripts and data, under a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs, get_plotlyjs_version

from ortprobe import __version__
from ortprobe.report.charts import Chart, build_charts
from ortprobe.report.html import findings, sections
from ortprobe.report.html.columns import deflate
from ortprobe.report.html.payload import Payload, build_payload
from ortprobe.report.html.side import whole_page
from ortprobe.report.html.tables import build_tables
from ortprobe.report.html.tables.model import Table
from ortprobe.report.verdict import verdict
from ortprobe.rules.engine import Judgement

BUDGET_BYTES = 8_000_000
BUNDLED_PLOTLY = "4.1.1"
"""Version of the bundle in `vendor/`: npm's plotly.js-basic-dist-min, a quarter of what plotly's own file weighs."""

_SCRIPTS = (
    "format", "codec", "store", "relations", "steps", "counters", "palette", "search", "layout", "ink", "painter",
    "minimap", "gutter", "timeline", "folded", "input", "details", "tables", "charts", "main",
)  # fmt: skip
_JSON_ESCAPES = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def render_html(judgement: Judgement, *, budget_bytes: int = BUDGET_BYTES) -> str:
    """The report as one HTML file that needs no network and no server.

    The timeline's marks take at most `budget_bytes` of it; when they need more, the least important and shortest are
    left out, and the header says how many. What findings cite is never left out.
    """
    return assembled(
        "template.html",
        build_payload([whole_page(judgement)], budget_bytes),
        build_charts(judgement),
        build_tables(judgement),
        _words(judgement),
    )


def assembled(
    template: str, payload: Payload, charts: Sequence[Chart], tables: Sequence[Table], words: Mapping[str, object]
) -> str:
    """A page of this template, with what all pages have in common: style, scripts, policy and encoded data."""
    plotly_js = plotly_source() if any(chart.figure for chart in charts) else ""
    script = page_script()
    return _environment().get_template(template).render(
        version=__version__,
        policy=_policy([script, plotly_js] if plotly_js else [script]),
        style=Markup(_resource("style.css")),
        script=Markup(script),
        plotly=deflate(plotly_js.encode()) if plotly_js else "",
        model=script_json(payload.model),
        figures=script_json([{"key": chart.key, "plotly": chart.figure} for chart in charts]),
        tables=deflate(_json([asdict(table) for table in tables]).encode()),
        charts=charts,
        has_charts=any(chart.figure for chart in charts),
        payload=payload,
        left_out=payload.marks_left_out,
        **words,
    )  # fmt: skip


def script_json(value: object) -> Markup:
    """JSON that can stand in a script block whatever the names in it hold: no `<`, `>` or `&`, no line separators."""
    return Markup(_json(value).translate(_JSON_ESCAPES))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@cache
def plotly_source() -> str:
    """plotly.js as the page runs it: the basic bundle where it is the version that the installed plotly declares,
    else plotly's own file, which is larger and always fits."""
    if get_plotlyjs_version() == BUNDLED_PLOTLY:
        return _resource("vendor/plotly-basic.min.js")
    source: str = get_plotlyjs()
    return source


@cache
def page_script() -> str:
    """All modules in one closure, in the order that they need."""
    modules = "\n".join(_resource(f"js/{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{modules}}})();\n'


def _words(judgement: Judgement) -> dict[str, object]:
    timeline = judgement.analyses.timeline
    return {
        "title": timeline.capture.target or "capture",
        "verdict": verdict(judgement),
        "facts": sections.header_facts(timeline),
        "figures_first": sections.key_figures(judgement),
        "causes": findings.causes(judgement),
        "findings": findings.finding_views(judgement),
        "undecided": findings.undecided(judgement),
        "pointless": findings.pointless(judgement),
        "passed": findings.passed(judgement),
        "tracing": sections.tracing_sentence(judgement),
        "quality": sections.quality_sentence(judgement),
        "quality_ok": judgement.analyses.integrity.ok,
        "sources": sections.source_rows(timeline),
        "attribution": sections.attribution(judgement),
        "problems": findings.problem_views(judgement),
        "side": "",
        "costs": sections.tracing_cost(judgement),
        "slowest": sections.slowest_run(judgement),
        "events": len(timeline.spans),
    }


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _resource(name: str) -> str:
    return files("ortprobe.report.html").joinpath(name).read_text(encoding="utf-8")
