"""The page of a real capture, and of hostile and empty ones, as Chromium shows it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.findings_json import findings_document
from ortprobe.report.html import render_html
from ortprobe.report.report import Report
from ortprobe.report.verdict import verdict
from ortprobe.rules import NotApplicable, judge
from ortprobe.timeline import Kind
from ortprobe.units import format_ns, format_ratio
from tests.browser.chromium_page import Opened, opener
from tests.browser.conftest import OpenPage, write_page
from tests.captures import example, healthy, racy, resnet
from tests.scene import Scene

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(Analyses(resnet()), tmp_path_factory.mktemp("html"))


@pytest.fixture(scope="module")
def resnet_page(browser: Browser, resnet_file: Path) -> Iterator[Opened]:
    """Shared by tests that look, or that put back what they change."""
    with opener(browser) as open_page:
        yield open_page(resnet_file)


def hostile_scene() -> Scene:
    scene = Scene(window_us=(0, 4000))
    profile = scene.profile(100)
    profile.load(100, 50).initialize(150, 80).run(1000, 400).node(HOSTILE, 1010, 300)
    scene.session(0, 90, 160, model=HOSTILE, site="app.py:3")
    scene.hook(HOSTILE, 900, 20, site=f"{HOSTILE}:7")
    scene.annotation(HOSTILE, 950, 500).torch_op("\u2028" + HOSTILE, 960, 10)
    return scene.launch(f"kernel<{HOSTILE}>", 1020, 1100, 200, 5).launch("other & <b>", 1500, 1600, 40, 6)


def test_opens_without_complaint_and_without_the_network(resnet_page: Opened) -> None:
    assert resnet_page.complaints == []
    assert [url for url in resnet_page.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_verdict_is_the_first_heading_and_on_the_first_screen(resnet_page: Opened) -> None:
    heading = resnet_page.page.locator("h1, h2, h3").first
    assert heading.inner_text().casefold() == verdict(judge(Analyses(resnet()))).casefold()
    assert resnet_page.page.locator(".causes").bounding_box()["y"] < 800


def test_every_chart_is_drawn_by_the_bundle(resnet_page: Opened) -> None:
    assert resnet_page.page.evaluate("ortprobe.stats().charts") == 8
    assert resnet_page.page.locator(".plot svg .point").count() > 30


@pytest.mark.parametrize("category", ["RE_INIT", "CREATION", "HOST_WAIT", "STREAM_WAIT", "IDLE_HOST", "IDLE_SETUP"])
def test_waits_idle_time_and_sessions_are_marks_to_click(resnet_page: Opened, category: str) -> None:
    key = resnet_page.page.evaluate(f"ortprobe.keys('{category}')[0]")
    resnet_page.page.evaluate(f"ortprobe.select('{key}')")
    resnet_page.page.keyboard.press("Escape")
    assert resnet_page.page.evaluate("ortprobe.selection()") is None
    resnet_page.click_mark(key)
    assert resnet_page.page.evaluate("ortprobe.selection()") == key
    assert resnet_page.page.locator("#tl-details h3").inner_text()


def test_the_re_init_is_seen_without_zooming(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    box = opened.page.evaluate("ortprobe.rect(ortprobe.keys('RE_INIT')[0])")
    assert box["right"] - box["left"] > 50
    opened.page.locator("#tl-axis").scroll_into_view_if_needed()
    opened.page.locator("#tl-axis").click(position={"x": box["left"] + 12, "y": 8})
    assert opened.page.evaluate("ortprobe.selection()") == "c1"
    assert "re-init" in opened.page.locator("#tl-details h3").inner_text()


def test_a_kernel_leads_to_its_launch_and_its_node(resnet_page: Opened) -> None:
    key = resnet_page.page.evaluate("ortprobe.keys('KERNEL')[1500]")
    resnet_page.page.evaluate(f"ortprobe.select('{key}')")
    assert resnet_page.page.evaluate(f"ortprobe.relations('{key}')") == ["launched by", "its ONNX node"]
    facts = resnet_page.page.locator("#tl-details dl").inner_text()
    assert "ONNX node" in facts
    assert "Correlation" in facts
    assert "kineto.json.gz, row" in facts
    resnet_page.page.locator("#tl-details button", has_text="cudaLaunchKernel").click()
    assert "launch" in resnet_page.page.locator("#tl-details dl").inner_text()


def test_evidence_of_a_finding_zooms_to_it_and_selects_it(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    whole = opened.page.evaluate("ortprobe.view()")
    button = opened.page.locator(".evidence button").first
    key = button.get_attribute("data-show")
    button.click()
    assert opened.page.evaluate("ortprobe.selection()") == key
    mark, view = opened.page.evaluate(f"ortprobe.mark('{key}')"), opened.page.evaluate("ortprobe.view()")
    assert view["from"] < mark["start"] < mark["start"] + mark["duration"] < view["to"]
    assert view != whole


def test_evidence_of_a_problem_of_the_capture_zooms_to_it(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    (problem,) = Analyses(resnet()).integrity.problems
    buttons = opened.page.locator("#capture .evidence button")
    assert buttons.evaluate_all("all => all.map(each => each.dataset.show)") == [f"s{s}" for s in problem.evidence[:8]]
    for number in (0, 7):
        buttons.nth(number).click()
        shown, view = opened.page.evaluate("ortprobe.selection()"), opened.page.evaluate("ortprobe.view()")
        mark = opened.page.evaluate(f"ortprobe.mark('{shown}')")
        assert view["from"] <= mark["start"] <= view["to"]
    assert "nothing" in opened.page.locator("#capture tbody tr", has_text=problem.kind.value).inner_text()


def test_keys_zoom_pan_fit_and_step(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    page, before = opened.page, opened.page.evaluate("ortprobe.view()")
    page.keyboard.press("KeyW")
    closer = page.evaluate("ortprobe.view()")
    assert closer["to"] - closer["from"] == pytest.approx(0.7 * (before["to"] - before["from"]))
    page.keyboard.press("KeyD")
    assert page.evaluate("ortprobe.view().from") > closer["from"]
    page.evaluate("ortprobe.select('r3')")
    page.keyboard.press("Period")
    assert page.evaluate("ortprobe.selection()") == "r4"
    page.keyboard.press("Comma")
    assert page.evaluate("ortprobe.selection()") == "r3"
    page.keyboard.press("Digit0")
    assert page.evaluate("ortprobe.view().from") == 0
    page.keyboard.press("KeyF")
    run = page.evaluate("ortprobe.mark('r3')")
    assert page.evaluate("ortprobe.view().to") == pytest.approx(run["start"] + 2 * run["duration"])


def test_the_help_opens_with_a_question_mark_and_closes_with_escape(resnet_page: Opened) -> None:
    resnet_page.page.keyboard.press("?")
    assert resnet_page.page.locator("#help").is_visible()
    resnet_page.page.keyboard.press("Escape")
    assert resnet_page.page.locator("#help").is_hidden()


def test_search_counts_all_executions_of_a_node_and_steps_through_them(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    timeline = resnet()
    opened.page.keyboard.press("Slash")
    opened.page.keyboard.type("/conv1/Conv")
    wanted = {i for i, name in enumerate(timeline.names) if "/conv1/conv" in name.lower()}
    nodes = timeline.links.node
    expected = sum(
        int(name) in wanted or (node >= 0 and int(timeline.nodes.name[node]) in wanted)
        for name, node in zip(timeline.spans.name.tolist(), nodes.tolist(), strict=True)
    )
    assert opened.page.evaluate("ortprobe.hits()") == expected
    assert opened.page.locator("#tl-hits").inner_text() == f"{expected:,} hits"
    opened.page.keyboard.press("Enter")
    first = opened.page.evaluate("ortprobe.selection()")
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("ortprobe.selection()") not in (None, first)


def test_the_address_restores_view_and_selection(resnet_page: Opened, open_page: OpenPage, resnet_file: Path) -> None:
    opened = resnet_page
    opened.page.evaluate("ortprobe.select('r7')")
    opened.page.keyboard.press("KeyW")
    fragment, view = opened.page.evaluate("location.hash"), opened.page.evaluate("ortprobe.view()")
    again = open_page(resnet_file, fragment=fragment)
    assert again.page.evaluate("ortprobe.selection()") == "r7"
    restored = again.page.evaluate("ortprobe.view()")
    assert restored["from"] == pytest.approx(view["from"], abs=1)
    assert restored["to"] == pytest.approx(view["to"], abs=1)


def test_dragging_measures_a_stretch(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    canvas = opened.page.locator("#tl-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.page.mouse.move(box["x"] + 100, box["y"] + 60)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 400, box["y"] + 60, steps=3)
    opened.page.mouse.up()
    panel = opened.page.locator("#tl-area").inner_text()
    assert panel.startswith("Measured: ")
    assert "stream 29 · device work" in panel


def test_shading_rests_on_exact_busy_time(resnet_page: Opened) -> None:
    timeline = resnet()
    lane = int(timeline.spans.lane[timeline.device_ops.span[1000]])
    work = [span for span in timeline.device_ops.span.tolist() if timeline.spans.lane[span] == lane]
    low, high = timeline.spans.start_ns[work[0]] + 500, timeline.spans.end_ns[work[-1]] - 500
    expected = sum(
        max(0, min(int(timeline.spans.end_ns[span]), int(high)) - max(int(timeline.spans.start_ns[span]), int(low)))
        for span in work
    )
    zero = timeline.start_ns
    assert resnet_page.page.evaluate(f"ortprobe.busy('s{work[0]}', {low - zero}, {high - zero})") == expected


def test_drawing_costs_by_the_width_and_not_by_the_events(resnet_page: Opened) -> None:
    resnet_page.page.evaluate("ortprobe.select('r0')")
    resnet_page.page.keyboard.press("Digit0")
    resnet_page.settle()
    stats = resnet_page.page.evaluate("ortprobe.stats()")
    assert resnet_page.page.evaluate("ortprobe.count") > 20_000
    assert 50 < stats["marksDrawn"] < 5_000


def test_tables_sort_filter_and_lead_to_the_timeline(resnet_page: Opened) -> None:
    opened = resnet_page
    table = opened.page.locator("#table-runs")
    header = table.locator("th", has_text="Latency")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert table.locator("tbody tr").first.get_attribute("data-key") == "r0"
    assert table.locator("tbody tr").nth(1).get_attribute("data-key") == "r5"
    opened.page.get_by_label("Filter Runs").fill("445 ms")
    assert table.locator("tbody tr").count() == 1
    table.locator("tbody tr td").nth(3).click()
    assert opened.page.evaluate("ortprobe.selection()") == "r0"
    opened.page.get_by_label("Filter Runs").fill("")


@pytest.mark.parametrize(("width", "most_lines"), [(1280, 3), (390, 6)])
def test_rows_of_many_cells_stay_low(open_page: OpenPage, resnet_file: Path, width: int, most_lines: int) -> None:
    """The inventory of a session's first runs stands in one cell beside two dozen others."""
    page = open_page(resnet_file, width=width).page
    page.evaluate("document.querySelectorAll('#tables details').forEach(each => { each.open = true; })")
    rows = page.locator("#tables tbody tr").evaluate_all("rows => rows.map(row => [row.offsetHeight, row.innerText])")
    assert len(rows) > 100
    height_px, text = max(rows)
    assert height_px <= 9 + 20 * most_lines, text


def test_rows_of_kernels_and_findings_lead_to_the_timeline(open_page: OpenPage, missing_wait_file: Path) -> None:
    opened = open_page(missing_wait_file)
    judgement = judge(example("missing-wait"))
    timeline = judgement.analyses.timeline
    kernels = timeline.spans.of_kind(Kind.KERNEL)
    took_ns = dict.fromkeys(timeline.spans.name[kernels].tolist(), 0)
    for kernel in kernels.tolist():
        took_ns[int(timeline.spans.name[kernel])] += int(timeline.spans.duration_ns[kernel])
    dearest = timeline.names[max(took_ns, key=lambda name: took_ns[name])]
    shown = {}
    for table in ("kernels", "findings"):
        opened.page.locator(f"#tables details:has(#table-{table}) > summary").click()
        opened.page.locator(f"#table-{table} tbody tr").first.locator("button").first.click()
        shown[table] = opened.page.evaluate("ortprobe.selection()")
    assert timeline.name_of(int(shown["kernels"][1:])) == dearest
    assert shown["findings"] == f"s{judgement.findings[0].evidence[0]}"


def test_a_bar_of_a_chart_leads_to_the_timeline(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    opened.page.locator("#chart-sessions .point path").last.click(force=True)
    assert opened.page.evaluate("ortprobe.selection()") in ("c0", "c1")


@pytest.mark.parametrize(
    ("chart", "at", "kinds"),
    [
        ("utilisation", (0.96, 0.5), {"KERNEL", "COPY", "FILL"}),
        ("utilisation", (0.05, 0.9), {"IDLE_HOST", "IDLE_SETUP", "IDLE_WAIT", "IDLE_PROFILER"}),
        ("distribution", (0.02, 0.97), {"RUN"}),
    ],
)
def test_a_point_of_a_curve_leads_to_the_timeline(
    open_page: OpenPage, missing_wait_file: Path, chart: str, at: tuple[float, float], kinds: set[str]
) -> None:
    opened = open_page(missing_wait_file)
    plot = opened.page.locator(f"#chart-{chart} .nsewdrag")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    opened.page.mouse.move(box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"], steps=3)
    opened.settle()
    opened.page.mouse.down()
    opened.page.mouse.up()
    key = opened.page.evaluate("ortprobe.selection()")
    assert any(key in opened.page.evaluate(f"ortprobe.keys('{kind}')") for kind in kinds), key


@pytest.mark.parametrize(("trace", "kind"), [(0, "ORT_NODE"), (1, "KERNEL")])
def test_a_bar_of_host_time_leads_to_the_node_and_one_of_gpu_time_to_its_work(
    open_page: OpenPage, missing_wait_file: Path, trace: int, kind: str
) -> None:
    opened = open_page(missing_wait_file)
    bars = opened.page.locator("#chart-node-hosts .trace.bars").nth(trace).locator(".point path")
    bars.first.click(force=True)
    assert opened.page.evaluate("ortprobe.selection()") in opened.page.evaluate(f"ortprobe.keys('{kind}')")


def test_a_lane_folds_from_the_keyboard_and_opens_again(resnet_page: Opened) -> None:
    opened = resnet_page
    button = opened.page.locator("button.lane", has_text="thread 583")
    height = opened.page.locator("#tl-canvas").bounding_box()["height"]
    button.focus()
    opened.page.keyboard.press("Enter")
    opened.settle()
    assert button.get_attribute("aria-expanded") == "false"
    assert opened.page.locator("#tl-canvas").bounding_box()["height"] < height
    opened.page.keyboard.press("Enter")
    opened.settle()
    assert opened.page.locator("#tl-canvas").bounding_box()["height"] == height


@pytest.mark.parametrize("name", ["set-providers", "missing-wait", "healthy"])
def test_figures_are_those_of_findings_json_and_evidence_selects_what_it_names(
    open_page: OpenPage, tmp_path: Path, name: str
) -> None:
    judgement = judge(example(name))
    document = findings_document(judgement)
    file = tmp_path / f"{name}.html"
    file.write_text(render_html(judgement), encoding="utf-8")
    opened = open_page(file)
    terms, values = (opened.page.locator(f"dl.figures {tag}").all_inner_texts() for tag in ("dt", "dd"))
    figures = dict(zip(terms, values, strict=True))
    summary = document["summary"]
    (device,) = summary["devices"]
    assert figures == {
        "runs": f"{summary['runs']:,}",
        "first run": format_ns(summary["latency_ns"]["first"]),
        "median run": format_ns(summary["latency_ns"]["median"]),
        "median run, not traced": format_ns(summary["latency_ns"]["untraced_median"]),
        "sessions created": str(summary["sessions"]),
        "of them re-inits": str(summary["re_inits"]),
        "GPU 0 busy": format_ratio(device["busy_ns"], device["window_ns"]),
        "ORT kernels with their node": f"{summary['kernels']['with_node']:,} of {summary['kernels']['of_ort']:,}",
    }
    timeline = judgement.analyses.timeline
    every = "all => all.map(each => each.dataset.show)"
    buttons = opened.page.locator("#findings [data-show]").evaluate_all(every)
    cited = [f"s{span}" for finding in judgement.findings for span in finding.evidence[:8]]
    assert buttons == cited
    for key in cited:
        mark = opened.page.evaluate(f"ortprobe.mark('{key}')")
        assert mark is not None, (key, timeline.name_of(int(key[1:])))
        assert mark["start"] == timeline.spans.start_ns[int(key[1:])] - timeline.start_ns
    shown = opened.page.locator("#tables .evidence [data-show]").evaluate_all(every)
    slowest = document["summary"]["slowest_run"]
    assert shown[:2] == [f"r{slowest['run']}", f"r{slowest['median_run']}"]
    assert all(opened.page.evaluate(f"ortprobe.mark('{key}')") is not None for key in shown)


def test_a_synchronisation_record_leads_to_the_wait_that_it_shows(open_page: OpenPage, tmp_path: Path) -> None:
    file = write_page(Analyses(healthy()), tmp_path)
    waits = tuple(Analyses(healthy()).waits.rows())
    opened = open_page(file)
    for number in (0, len(waits) // 2, len(waits) - 1):
        opened.page.evaluate(f"ortprobe.select('s{waits[number].span}')")
        assert opened.page.evaluate("ortprobe.selection()") == f"w{number}"


def test_streams_of_two_devices_are_told_apart_and_quiet_ones_are_folded(open_page: OpenPage, tmp_path: Path) -> None:
    scene = Scene()
    for number in range(20):
        scene.launch("busy", 100 * number, 100 * number + 5, 50, 2 * number + 1, device=0)
    scene.launch("once", 30, 40, 5, 2, device=1)
    file = write_page(Analyses(scene.load(tmp_path)), tmp_path)
    opened = open_page(file)
    folded = {
        label: opened.page.locator("button.lane", has=opened.page.get_by_text(label, exact=True)).get_attribute(
            "aria-expanded"
        )
        for label in ("GPU 0 · stream 7", "GPU 1 · stream 7")
    }
    assert folded == {"GPU 0 · stream 7": "true", "GPU 1 · stream 7": "false"}
    opened.page.evaluate("ortprobe.select(ortprobe.keys('IDLE_END').at(-1))")
    assert "GPU 1 idle" in opened.page.locator("#tl-details").inner_text()


def test_hostile_names_are_text_and_nothing_else(open_page: OpenPage, tmp_path: Path) -> None:
    file = write_page(Analyses(hostile_scene().load(tmp_path)), tmp_path)
    opened = open_page(file)
    assert opened.complaints == []
    assert opened.page.locator("img").count() == 0
    key = opened.page.evaluate("ortprobe.keys('KERNEL')[0]")
    opened.page.evaluate(f"ortprobe.select('{key}')")
    assert HOSTILE in opened.page.locator("#tl-details").inner_text()
    opened.page.locator("#tables details:has(#table-nodes) > summary").click()
    assert HOSTILE in opened.page.locator("#table-nodes").inner_text()
    assert HOSTILE in opened.page.locator("#chart-nodes").inner_text()
    assert opened.page.locator("img").count() == 0


def test_a_capture_without_a_gpu_says_so_where_charts_would_be(open_page: OpenPage, tmp_path: Path) -> None:
    scene = Scene()
    scene.profile(0).load(0, 50).initialize(50, 80).run(200, 400).node("n", 210, 300, provider="CPUExecutionProvider")
    file = write_page(Analyses(scene.load(tmp_path)), tmp_path)
    opened = open_page(file)
    assert opened.complaints == []
    assert "No GPU trace in this capture" in opened.page.locator(".chart-idle").inner_text()
    assert opened.page.locator("#chart-idle").count() == 0


def test_a_capture_of_hooks_alone_has_its_calls_and_no_charts_of_what_was_not_measured(
    open_page: OpenPage, tmp_path: Path
) -> None:
    scene = Scene().session(0, 0, 500, site="app.py:3").hook("run", 600, 40, session=0, site="app.py:8")
    file = write_page(Analyses(scene.load(tmp_path)), tmp_path)
    opened = open_page(file)
    assert opened.complaints == []
    opened.page.evaluate("ortprobe.select(ortprobe.keys('HOOK').at(-1))")
    assert "app.py:8" in opened.page.locator("#tl-details").inner_text()
    assert "No ONNX node has measured time" in opened.page.locator(".chart-nodes").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page: OpenPage, resnet_file: Path, theme: str) -> None:
    opened = open_page(resnet_file, theme=theme)
    opened.page.evaluate("ortprobe.select('w3')")
    opened.page.locator("#tables details:has(#table-nodes) > summary").click()
    opened.page.locator("#finding-S1 details.meaning > summary").click()
    opened.page.locator("#tl-fold").click()
    opened.page.get_by_role("button", name="Pin Runs to the top").click()
    found = Axe().run(opened.page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120], each["nodes"][0]["failureSummary"]) for each in found] == []


@pytest.mark.parametrize("width", [390, 768])
def test_narrow_screens_do_not_scroll_sideways(open_page: OpenPage, resnet_file: Path, width: int) -> None:
    opened = open_page(resnet_file, width=width)
    for summary in opened.page.locator("details > summary").all():
        if summary.locator("xpath=..").get_attribute("open") is None:
            summary.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_legends_have_room_on_a_phone(open_page: OpenPage, missing_wait_file: Path) -> None:
    opened = open_page(missing_wait_file, width=390)
    legends = opened.page.locator(".plot .legend .scrollbar")
    heights = legends.evaluate_all("bars => bars.map(bar => Number(bar.getAttribute('height')))")
    assert len(heights) > 3
    assert set(heights) == {0}, "a legend that does not fit has a scroll bar"


def test_the_theme_can_be_switched_and_charts_follow(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    color = "getComputedStyle(document.querySelector('#chart-idle .xtick text')).fill"
    before = opened.page.evaluate(color)
    opened.page.locator("#theme").click()
    opened.until(f"{color} !== '{before}'")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 21, 26)"


def test_the_race_is_rendered_with_its_resolved_waits(open_page: OpenPage, tmp_path: Path) -> None:
    file = write_page(Analyses(racy()), tmp_path)
    opened = open_page(file)
    assert opened.complaints == []
    labels = opened.page.evaluate("ortprobe.keys('HOST_WAIT').flatMap(key => ortprobe.relations(key))")
    assert "waited for" in labels


@pytest.fixture(scope="module")
def missing_wait_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(example("missing-wait"), tmp_path_factory.mktemp("html"))


def test_the_evidence_of_a_race_shows_both_accesses_and_the_order_that_is_missing(
    open_page: OpenPage, missing_wait_file: Path
) -> None:
    opened = open_page(missing_wait_file)
    evidence = opened.page.locator("#finding-Y1 button[data-show]")
    keys = [evidence.nth(at).get_attribute("data-show") for at in range(2)]
    evidence.first.click()
    opened.until("ortprobe.selection() !== null")
    opened.settle()
    view = opened.page.evaluate("ortprobe.view()")
    for key in keys:
        mark = opened.page.evaluate(f"ortprobe.mark('{key}')")
        assert view["from"] < mark["start"]
        assert mark["start"] + mark["duration"] < view["to"]
        (race,) = (label for label in opened.page.evaluate(f"ortprobe.relations('{key}')") if "races" in label)
        assert re.fullmatch(r"races with, overlapping by \d+ µs:", race)
    assert _ink_of_arrows(opened, FLAG_INK) > 50
    opened.page.evaluate("ortprobe.select(ortprobe.keys('HOST_WAIT')[0])")
    opened.settle()
    assert _ink_of_arrows(opened, FLAG_INK) == 0


FLAG_INK = (192, 51, 14)


def _ink_of_arrows(opened: Opened, color: tuple[int, int, int]) -> int:
    """How many pixels of the canvas have exactly this colour."""
    return opened.page.evaluate(
        """color => {
          const canvas = document.querySelector('#tl-canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let at = 0; at < data.length; at += 4)
            if (data[at] === color[0] && data[at + 1] === color[1] && data[at + 2] === color[2]) count++;
          return count;
        }""",
        list(color),
    )


def test_a_change_has_signs_and_is_copied_without_them(open_page: OpenPage, missing_wait_file: Path) -> None:
    opened = open_page(missing_wait_file)
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block = opened.page.locator("#finding-Y1 .code-block").nth(1)
    signs = block.locator("ins, del").evaluate_all(
        "lines => lines.map(line => getComputedStyle(line, '::before').content.replaceAll('\"', ''))"
    )
    assert signs == ["+", "−", "+"]
    inks = block.locator(".line").evaluate_all("lines => lines.map(line => getComputedStyle(line).backgroundColor)")
    assert len(set(inks)) == 3, "what comes in, what goes and what stays"
    block.get_by_role("button").click()
    copied = opened.page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines() == [
        "stream = torch.cuda.Stream()",
        "session = onnxruntime.InferenceSession(path, providers=[",
        '    ("CUDAExecutionProvider", {"user_compute_stream": str(stream.cuda_stream)}), "CPUExecutionProvider"])',
    ]


@pytest.fixture(scope="module")
def notebook_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds a report as a notebook does."""
    file = tmp_path_factory.mktemp("html") / "notebook.html"
    frame = Report(judge(example("missing-wait")))._repr_html_()
    file.write_text(f"<!doctype html><title>x</title><p id=around>around</p>{frame}", encoding="utf-8")
    return file


@pytest.fixture
def notebook(browser: Browser, notebook_file: Path) -> Iterator[tuple[Opened, Frame]]:
    page = browser.new_page(viewport={"width": 1100, "height": 1000})
    opened = Opened(page)
    page.on("console", lambda message: opened.complaints.append(message.text))
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(f"file://{notebook_file}")
    frame = page.frames[1]
    deadline = time.monotonic() + 20
    while not frame.evaluate("Boolean(window.ortprobe && window.ortprobe.chartsReady)"):
        assert time.monotonic() < deadline, opened.complaints
        time.sleep(0.05)
    yield opened, frame
    page.close()


def test_a_notebook_shows_the_page_with_its_timeline(notebook: tuple[Opened, Frame]) -> None:
    opened, frame = notebook
    assert frame.url == "about:srcdoc"
    assert frame.locator("h1").inner_text().casefold() == verdict(judge(example("missing-wait"))).casefold()
    assert frame.evaluate("ortprobe.stats().charts") == 8
    whole = frame.evaluate("ortprobe.view()")
    button = frame.locator("#finding-Y1 button[data-show]").first
    key = button.get_attribute("data-show")
    button.click()
    assert frame.evaluate("ortprobe.selection()") == key
    assert frame.evaluate("ortprobe.view()") != whole
    opened.page.keyboard.press("KeyW")
    frame.evaluate("ortprobe.select('r30')")
    assert "run 30" in frame.locator("#tl-details h3").inner_text()
    assert frame.evaluate("ortprobe.stats().marksDrawn") > 50
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_links_in_a_notebook_lead_to_places_of_the_page(notebook: tuple[Opened, Frame]) -> None:
    opened, frame = notebook
    frame.locator("nav a", has_text="Tables").click()
    top = frame.evaluate("document.getElementById('tables').getBoundingClientRect().top")
    assert 0 <= top < 40
    assert frame.evaluate("scrollY") > 1_000
    assert frame.url == "about:srcdoc"
    assert opened.complaints == []


def test_the_page_in_a_notebook_reaches_nothing_around_it(notebook: tuple[Opened, Frame]) -> None:
    opened, frame = notebook
    reach = "(() => { try { return parent.document.title; } catch (error) { return error.name; } })()"
    assert frame.evaluate(reach) == "SecurityError"
    assert opened.page.locator("#around").inner_text() == "around"
    assert opened.page.locator("body > *").count() == 2, "the page's own markup is escaped"


def test_what_matters_most_comes_in_the_ranking_of_the_findings(resnet_page: Opened) -> None:
    titles = [finding.title for finding in judge(Analyses(resnet())).findings if finding.cost_ns][:3]
    assert resnet_page.page.locator(".causes .title").all_inner_texts() == titles


def test_what_a_finding_means_opens_by_keyboard_below_it(open_page: OpenPage, resnet_file: Path) -> None:
    opened = open_page(resnet_file)
    meaning = opened.page.locator("#finding-S1 details.meaning")
    assert meaning.locator("dl").is_hidden()
    meaning.locator("summary").focus()
    opened.page.keyboard.press("Enter")
    assert meaning.locator("dl").is_visible()
    said = meaning.locator("dt").all_inner_texts()
    assert said == ["What it is", "Why it matters", "Evidence", "When it is wrong"]
    assert meaning.locator("dd code").first.inner_text() == "set_providers"


def test_rules_that_could_not_judge_say_why(resnet_page: Opened) -> None:
    missing = [
        judged.outcome.why
        for judged in judge(Analyses(resnet())).judged
        if isinstance(judged.outcome, NotApplicable) and judged.outcome.evidence_missing
    ]
    assert missing
    details = resnet_page.page.locator("details.undecided").first
    assert f"{len(missing)} rule" in details.locator("summary").inner_text()
    assert [text.replace("`", "") for text in missing] == [
        text.replace("`", "") for text in details.locator("dd").all_text_contents()
    ]
