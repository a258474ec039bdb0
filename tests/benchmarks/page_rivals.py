"""The same timeline as others draw it: plotly's bars, and viztracer's HTML. Each yields its figures one by one.

A figure comes as (name, None) when its measurement begins and as (name, text) when it is known, so that whoever gives
up waiting knows for what.
"""

from __future__ import annotations

import base64
import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from statistics import median

import numpy as np
from page_probe import INK, SETTLED, Probe, chromium, probe

from ortprobe.timeline import DEVICE_WORK, LaneKind, Timeline

Figure = tuple[str, str | None]
Figures = Iterator[Figure]

_WORK_FILL, _BACKGROUND = "#007a5c", "#f5f6f8"
_TENTH = (0.45, 0.55)
_VIEWS = {"zoom to 10 %": _TENTH, "reset to whole": (0, 1)}
_MOVES = 5

_RELAYOUT = f"""
async range => {{
  const plot = document.querySelector(".js-plotly-plot");
  return ({SETTLED})(() => Plotly.relayout(plot, {{ "xaxis.range": range }}));
}}
"""

_BARS_OF_LANE = """
lane => {
  const plot = document.querySelector(".js-plotly-plot"), { _size: size, yaxis } = plot._fullLayout;
  const { left, top } = plot.getBoundingClientRect();
  const pitch = Math.abs(yaxis.c2p(1) - yaxis.c2p(0)), middle = yaxis.c2p(yaxis.d2c(lane));
  return { x: left + size.l, y: top + size.t + middle - pitch / 5, width: size.w, height: pitch / 2.5 };
}
"""

_INK_OF_PICTURE = f"""
async ([png, background, fill]) => {{
  const picture = new Image();
  picture.src = png;
  await picture.decode();
  const pen = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  pen.drawImage(picture, 0, 0);
  return ({INK})(pen.getImageData(0, 0, picture.width, picture.height), background, [fill]);
}}
"""

_VIZTRACER = "document.getElementById('trace-viewer')"
_VIZTRACER_SHOWS = f"""
(view => view?.hasVisibleContent && view.viewport.currentDisplayTransform.scaleX !== 1)({_VIZTRACER}?.trackView)
"""
_VIZTRACER_ZOOM = f"""
async ([from, to]) => {{
  const {{ viewport }} = {_VIZTRACER}.trackView, transform = viewport.currentDisplayTransform.clone();
  transform.xSetWorldBounds(from, to, viewport.modelTrackContainer.canvas.clientWidth);
  return ({SETTLED})(() => viewport.setDisplayTransformImmediately(transform));
}}
"""


def within(limit_s: int, measure: Callable[..., Figures], *given: object) -> dict[str, str]:
    """Figures of a measurement in a process of its own, which is ended when one of them takes longer than the limit."""
    queue: multiprocessing.Queue[Figure | None] = multiprocessing.Queue()
    child = multiprocessing.Process(target=_send, args=(queue, measure, *given))
    child.start()
    found: dict[str, str] = {}
    begun = ""
    try:
        while (figure := queue.get(timeout=limit_s)) is not None:
            begun, text = figure
            if text is not None:
                found[begun] = text
    except Empty:
        found[begun] = f"did not finish in {limit_s} s"
        child.terminate()
    child.join()
    return found


def _send(queue: multiprocessing.Queue[Figure | None], measure: Callable[..., Figures], *given: object) -> None:
    try:
        for figure in measure(*given):
            queue.put(figure)
    finally:
        queue.put(None)


def plotly_figures(timeline: Timeline, file: Path) -> Figures:
    """One trace of bars for each lane, as `write_html` writes it."""
    yield "rendered", None
    began = time.perf_counter()
    _write_plotly(timeline, file)
    yield "rendered", f"{time.perf_counter() - began:.1f} s"
    yield "total", f"{file.stat().st_size / 1e6:.1f} MB"
    with chromium() as browser, probe(browser) as page:
        yield "first paint", None
        page.watch("drawn", "document.querySelector('.plotly .bars')?.childElementCount")
        page.open(file)
        yield "first paint", f"{page.seen_ms('drawn') / 1000:.2f} s"
        yield "requests", str(len(page.requests) - 1)
        whole_ms = (timeline.end_ns - timeline.start_ns) / 1e6
        yield "ink off, whole", None
        yield "ink off, whole", _plotly_ink(page, timeline, (0, 1))
        yield "zoom to 10 %", None
        tenth_ms = [share * whole_ms for share in _TENTH]
        yield "zoom to 10 %", f"{page.page.evaluate(_RELAYOUT, tenth_ms):,.0f} ms"
        yield "ink off, 10 %", None
        yield "ink off, 10 %", _plotly_ink(page, timeline, _TENTH)
        yield "reset to whole", None
        yield "reset to whole", f"{page.page.evaluate(_RELAYOUT, [0, whole_ms]):,.0f} ms"
        yield "JS heap", f"{page.heap_bytes() / 1e6:.0f} MB"


def viztracer_figures(timeline: Timeline, file: Path, polyfill: Path | None) -> Figures:
    """Its page takes a script from a CDN, without which it stays empty; `polyfill` is that script's file."""
    try:
        from viztracer.report_builder import ReportBuilder
    except ImportError:
        yield "total", "not installed"
        return
    yield "rendered", None
    began = time.perf_counter()
    ReportBuilder({"traceEvents": _trace_events(timeline), "viztracer_metadata": {}}, verbose=0).save(str(file))
    yield "rendered", f"{time.perf_counter() - began:.1f} s"
    yield "total", f"{file.stat().st_size / 1e6:.1f} MB"
    with chromium() as browser, probe(browser) as page:
        yield "first paint", None
        if polyfill:
            script = polyfill.read_text()
            page.page.route("**/webcomponents.min.js", lambda route: route.fulfill(body=script))
        page.watch("drawn", _VIZTRACER_SHOWS)
        page.open(file)
        yield "requests", str(sum(url.startswith("http") for url in page.requests))
        if not page.page.evaluate("Boolean(document.registerElement)"):
            yield "first paint", "never without the network"
            return
        yield "first paint", f"{page.seen_ms('drawn') / 1000:.2f} s (network replaced)"
        whole_ms = (timeline.end_ns - timeline.start_ns) / 1e6
        yield "reset to whole", None
        views_ms = {name: [share * whole_ms for share in view] for name, view in _VIEWS.items()}
        moves = [(name, page.page.evaluate(_VIZTRACER_ZOOM, views_ms[name])) for name in [*_VIEWS] * _MOVES]
        for name in _VIEWS:
            yield name, f"{median(took_ms for moved, took_ms in moves if moved == name):,.0f} ms"
        yield "JS heap", f"{page.heap_bytes() / 1e6:.0f} MB"


def _write_plotly(timeline: Timeline, file: Path) -> None:
    import plotly.graph_objects as go

    spans, figure = timeline.spans, go.Figure()
    start_ms, duration_ms = (spans.start_ns - timeline.start_ns) / 1e6, spans.duration_ns / 1e6
    is_work = np.isin(spans.kind, DEVICE_WORK)
    for index, lane in enumerate(timeline.lanes):
        for label, chosen in ((lane.label, is_work), (f"{lane.label}: other", ~is_work)):
            mine = np.flatnonzero((spans.lane == index) & chosen)
            names = [timeline.names[name] for name in spans.name[mine]]
            bars = {"base": start_ms[mine], "x": duration_ms[mine], "y": [label] * len(mine), "hovertext": names}
            if len(mine):
                figure.add_trace(go.Bar(**bars, orientation="h", marker={"color": _WORK_FILL, "line": {"width": 0}}))
    whole_ms = [0, (timeline.end_ns - timeline.start_ns) / 1e6]
    figure.update_layout(barmode="overlay", showlegend=False, plot_bgcolor=_BACKGROUND, xaxis_range=whole_ms)
    figure.write_html(file, include_plotlyjs=True)


def _plotly_ink(page: Probe, timeline: Timeline, view: tuple[float, float]) -> str:
    """How far the ink of the busiest stream is from its busy share."""
    spans, length_ns = timeline.spans, timeline.end_ns - timeline.start_ns
    from_ns, to_ns = (timeline.start_ns + share * length_ns for share in view)
    seen_ns = np.clip(np.minimum(spans.end_ns, to_ns) - np.maximum(spans.start_ns, from_ns), 0, None)
    seen_ns[~np.isin(spans.kind, DEVICE_WORK)] = 0
    busy = np.bincount(spans.lane, seen_ns, len(timeline.lanes)) / (to_ns - from_ns)
    busiest = max(
        (index for index, lane in enumerate(timeline.lanes) if lane.kind is LaneKind.STREAM), key=busy.__getitem__
    )
    box = page.page.evaluate(_BARS_OF_LANE, timeline.lanes[busiest].label)
    png = base64.b64encode(page.page.screenshot(clip=box, timeout=0)).decode()
    ink = page.page.evaluate(_INK_OF_PICTURE, [f"data:image/png;base64,{png}", _BACKGROUND, _WORK_FILL])
    return f"{100 * abs(ink - busy[busiest]):.1f} points"


def _trace_events(timeline: Timeline) -> list[dict[str, object]]:
    spans = timeline.spans
    start_us, duration_us = (spans.start_ns - timeline.start_ns) / 1e3, spans.duration_ns / 1e3
    columns = zip(spans.name.tolist(), spans.lane.tolist(), start_us.tolist(), duration_us.tolist(), strict=True)
    return [
        {"ph": "X", "name": timeline.names[name], "pid": 1, "tid": lane, "ts": start, "dur": duration}
        for name, lane, start, duration in columns
    ]
