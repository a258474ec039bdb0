"""What the report page weighs, how soon it shows and answers, and whether its ink tells the truth; beside rivals.

    python tests/benchmarks/report_page.py [--events 100000 1000000] [--rounds 3] [--no-rivals] [--polyfill FILE]

EVENTS are those of a trace file, flow arrows included; each column says how many spans the page draws of them, and what
is counted for an event is counted for a span. Figures are medians over all rounds, each in a fresh browser context.
plotly draws the least of the captures alone, and viztracer all of them, when it is installed; FILE is the script
without which its page stays empty (webcomponents.min.js of npm's webcomponents.js@0.7.24). Prints a Markdown table, and
how busy the machine was: beside other work, times are worth little.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from analyses import large_bundle
from page_probe import INK, Probe, chromium, probe
from page_rivals import plotly_figures, viztracer_figures, within
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.report.html import render_html
from ortprobe.rules import judge
from ortprobe.timeline import Timeline

Samples = defaultdict[str, list[float]]
Column = Mapping[str, str]

RIVAL_LIMIT_S = 120
"""For each step of a rival."""
HOVER_STEPS = 60
CENTRES = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Of the views that are zoomed to, in shares of the capture."""
ROWS = (
    "spans", "fixed part", "total", "per span", "rendered", "first paint", "charts ready", "zoom to 10 %", "pan at 1 %",
    "reset to whole", "of these, in draw()", "hover, median gap", "hover, worst gap", "ink off, whole", "ink off, 10 %",
    "JS heap", "requests", "complaints",
)  # fmt: skip
_IN_SECONDS = ("rendered", "first paint", "charts ready")

_MOVE = """
hash => new Promise(done => {
  const began = performance.now(), settled = () => done([performance.now() - began, ortprobe.stats().drawMs]);
  addEventListener("hashchange", () => requestAnimationFrame(() => requestAnimationFrame(settled)), { once: true });
  location.hash = hash;
})
"""

_RECORD_FRAMES = """
() => {
  const gaps = window.frameGapsMs = [];
  const frame = last => now => {
    gaps.push(now - last);
    if (window.frameGapsMs === gaps) requestAnimationFrame(frame(now));
  };
  requestAnimationFrame(now => requestAnimationFrame(frame(now)));
}
"""

_INK_OFF = f"""
() => {{
  const inkOf = {INK};
  const canvas = document.getElementById("tl-canvas"), pen = canvas.getContext("2d"), ratio = devicePixelRatio;
  const {{ from, to }} = ortprobe.view(), {{ background, fill }} = ortprobe.colors();
  const fills = [fill.KERNEL, fill.COPY, fill.FILL];
  return ortprobe.rows().filter(({{ layer }}) => layer === "device work").map(({{ key }}) => {{
    const {{ top, height }} = ortprobe.rect(key);
    const image = pen.getImageData(0, Math.round(top * ratio), canvas.width, Math.round(height * ratio));
    return Math.abs(inkOf(image, background, fills) - ortprobe.busy(key, from, to) / (to - from));
  }});
}}
"""


def fixed_bytes(folder: Path) -> int:
    """The page of a capture with next to nothing in it, charts included."""
    scene = Scene(window_us=(0, 4000))
    scene.profile(100).load(100, 50).initialize(150, 80).run(1000, 400).node("node", 1010, 300)
    scene.session(0, 90, 160, model="model.onnx")
    page = render_html(judge(Analyses(scene.launch("kernel", 1020, 1100, 200, 5).load(folder / "fixed"))))
    assert 'id="plotly"' in page
    return len(page.encode())


def own_column(timeline: Timeline, file: Path, fixed: int, rounds: int) -> Column:
    """Render the page, then measure it."""
    samples: Samples = defaultdict(list)
    with chromium() as browser:
        for _ in range(rounds):
            judgement = judge(Analyses(timeline))
            began = time.perf_counter()
            rendered = render_html(judgement)
            samples["rendered"].append(1000 * (time.perf_counter() - began))
            file.write_text(rendered, encoding="utf-8")
            with probe(browser) as page:
                _measure_round(page, file, samples)
    total = file.stat().st_size
    return {
        "fixed part": f"{fixed / 1e6:.2f} MB",
        "total": f"{total / 1e6:.2f} MB",
        "per span": f"{(total - fixed) / len(timeline.spans):.1f} bytes",
        **{name: _text(name, values) for name, values in samples.items()},
    }


def _measure_round(page: Probe, file: Path, samples: Samples) -> None:
    page.watch("drawn", "performance.getEntriesByName('timeline drawn').length", frames=0)
    page.watch("charts", "window.ortprobe?.chartsReady")
    page.open(file)
    samples["first paint"].append(page.seen_ms("drawn"))
    samples["charts ready"].append(page.seen_ms("charts"))
    samples["JS heap"].append(page.heap_bytes())
    _measure_moves(page, samples)
    _measure_hover(page, samples)
    samples["requests"].append(sum(not url.startswith(("data:", "blob:")) for url in page.requests) - 1)
    samples["complaints"].append(len(page.complaints))
    # Last, as Chromium complains of pixels that are read, and may draw their canvas in another way from then on.
    _measure_ink(page, samples)


def _measure_moves(page: Probe, samples: Samples) -> None:
    _show(page, 0.4, 0.6)
    for centre in CENTRES:
        for name, low, high in (
            ("reset to whole", 0, 1),
            ("zoom to 10 %", centre - 0.05, centre + 0.05),
            ("", centre - 0.005, centre + 0.005),
            ("pan at 1 %", centre, centre + 0.01),
        ):
            settled_ms, draw_ms = _show(page, low, high)
            if name:
                samples[name].append(settled_ms)
                samples["of these, in draw()"].append(draw_ms)
    _show(page, 0, 1)


def _show(page: Probe, low: float, high: float) -> list[float]:
    """Move the view to a stretch, in shares of the capture; milliseconds until it is shown, and of drawing it."""
    span_ns = page.page.evaluate("JSON.parse(document.getElementById('data-model').textContent).span_ns")
    moved: list[float] = page.page.evaluate(_MOVE, f"#v=1&t={round(low * span_ns)},{round(high * span_ns)}")
    return moved


def _measure_hover(page: Probe, samples: Samples) -> None:
    canvas = page.page.locator("#tl-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    top, bottom = max(box["y"], 0), min(box["y"] + box["height"], 800)
    page.page.mouse.move(box["x"] + 1, top + 1)
    page.page.evaluate(_RECORD_FRAMES)
    page.page.mouse.move(box["x"] + box["width"] - 2, bottom - 2, steps=HOVER_STEPS)
    gaps_ms = page.page.evaluate("(() => { const gaps = frameGapsMs; frameGapsMs = null; return gaps; })()")
    samples["hover, median gap"].append(median(gaps_ms))
    samples["hover, worst gap"].append(max(gaps_ms))
    page.page.mouse.move(1, 1)


def _measure_ink(page: Probe, samples: Samples) -> None:
    for name, low, high in (("ink off, 10 %", 0.45, 0.55), ("ink off, whole", 0, 1)):
        _show(page, low, high)
        samples[name].append(max(page.page.evaluate(_INK_OFF)))


def _text(name: str, values: list[float]) -> str:
    value = median(values)
    if name in ("requests", "complaints"):
        return f"{max(values):.0f}"
    if name == "JS heap":
        return f"{value / 1e6:.0f} MB"
    if name.startswith("ink"):
        return f"{100 * value:.1f} points"
    return f"{value / 1000:.2f} s" if name in _IN_SECONDS else f"{value:.1f} ms"


def rival_columns(timeline: Timeline, folder: Path, polyfill: Path | None, *, is_least: bool) -> dict[str, Column]:
    found: dict[str, Column] = {}
    if is_least:
        found["plotly bars"] = within(RIVAL_LIMIT_S, plotly_figures, timeline, folder / "plotly.html")
    found["viztracer"] = within(RIVAL_LIMIT_S, viztracer_figures, timeline, folder / "viztracer.html", polyfill)
    return found


def table(columns: Mapping[str, Column]) -> str:
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(column.get(row, "") for column in columns.values())] for row in ROWS]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--polyfill", type=Path)
    chosen = parser.parse_args()
    columns: dict[str, Column] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        fixed = fixed_bytes(folder)
        for events in sorted(chosen.events):
            timeline = load_bundle(large_bundle(folder, events))
            found = {"ortprobe": own_column(timeline, folder / "own.html", fixed, chosen.rounds)}
            if not chosen.no_rivals:
                is_least = events == min(chosen.events)
                found |= rival_columns(timeline, folder, chosen.polyfill, is_least=is_least)
            spans = f"{len(timeline.spans):,}"
            columns |= {f"{who}, {events:,} events": {"spans": spans, **column} for who, column in found.items()}
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"Load of the machine's {os.cpu_count()} cores over 1, 5 and 15 minutes: {loads}\n\n{table(columns)}")


if __name__ == "__main__":
    main()
