"""The page of two real captures, and of hostile and poor ones, as Chromium shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.comparison import compare
from ortprobe.report.diff.diff import Diff
from ortprobe.rules import judge
from ortprobe.rules.finding_changes import compare_findings
from tests.browser.chromium_page import Opened, opener
from tests.browser.conftest import OpenPage, write_page
from tests.captures import example
from tests.scene import Scene

HOSTILE = "</script><img src=x onerror=alert(1)>"
BEFORE, AFTER = "missing-wait", "healthy"


def diff_of(before: Sequence[Analyses], after: Sequence[Analyses]) -> Diff:
    judgements = tuple(map(judge, before)), tuple(map(judge, after))
    return Diff(comparison=compare(before, after), findings=compare_findings(*judgements), judgements=judgements)


def write_diff(diff: Diff, folder: Path) -> Path:
    file = folder / "diff.html"
    file.write_bytes(diff.render("html"))
    return file


@pytest.fixture(scope="module")
def diff() -> Diff:
    return diff_of([example(BEFORE)], [example(AFTER)])


@pytest.fixture(scope="module")
def diff_file(diff: Diff, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_diff(diff, tmp_path_factory.mktemp("diff"))


@pytest.fixture(scope="module")
def page(browser: Browser, diff_file: Path) -> Iterator[Opened]:
    """Shared by tests that look, or that put back what they change."""
    with opener(browser) as open_page:
        yield open_page(diff_file)


def runs_of(side: str) -> int:
    return len(example(side).timeline.runs)


def test_opens_without_complaint_and_without_the_network(page: Opened) -> None:
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_verdict_is_the_first_heading(page: Opened, diff: Diff) -> None:
    heading = page.page.locator("h1, h2, h3").first
    assert heading.inner_text().casefold() == diff.verdict.casefold()


def test_every_measure_has_its_figures_and_its_verdict(page: Opened, diff: Diff) -> None:
    measures = diff.comparison.sessions[0].measures
    rows = page.page.locator(".measures tbody tr")
    assert rows.count() == len(measures) > 0
    for row, each in zip(rows.all(), measures, strict=True):
        assert f"{each.change.runs[0]} and {each.change.runs[1]} runs" in row.inner_text()


def test_runs_that_are_laid_over_each_other_begin_at_one_place_of_the_axis(page: Opened, diff: Diff) -> None:
    assert diff.comparison.sessions[0].median_runs is not None
    before, after = diff.comparison.sessions[0].median_runs
    first, second = (page.page.evaluate(f"ortprobe.rect('r{run}')") for run in (before, runs_of(BEFORE) + after))
    assert first["left"] == second["left"] > 0
    view = page.page.evaluate("ortprobe.view()")
    for run, side, shift in ((before, BEFORE, 0), (after, AFTER, runs_of(BEFORE))):
        runs = example(side).timeline.runs
        mark = page.page.evaluate(f"ortprobe.mark('r{run + shift}')")
        assert mark["duration"] == int(runs.end_ns[run] - runs.start_ns[run])
        assert view["from"] < mark["start"] < mark["start"] + mark["duration"] < view["to"]
    assert f"Run {before} of before and run {after} of after" in page.page.locator(".laid-over").inner_text()


def test_lanes_stand_in_pairs_and_each_capture_by_itself_on_demand(page: Opened) -> None:
    def sides() -> list[str]:
        return [lane["key"].partition("-")[0] for lane in page.page.evaluate("ortprobe.lanes()")]

    paired = sides()
    assert paired[:4] == ["before", "after", "before", "after"]
    button = page.page.locator("#tl-group")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert sides() == sorted(paired, reverse=True)
    button.click()
    assert sides() == paired


@pytest.mark.parametrize("category", ["RUN", "KERNEL", "HOST_WAIT", "IDLE_HOST"])
@pytest.mark.parametrize("side", ["before", "after"])
def test_marks_of_either_capture_can_be_clicked(page: Opened, side: str, category: str) -> None:
    keys = page.page.evaluate(f"ortprobe.keys('{category}')")
    key = keys[len(keys) // 4 if side == "before" else -2]
    page.page.evaluate(f"ortprobe.select('{key}')")
    page.page.keyboard.press("Escape")
    page.click_mark(key)
    assert page.page.evaluate("ortprobe.selection()") == key
    facts = page.page.locator("#tl-details dl").inner_text()
    assert f"Capture\n{side}" in facts
    assert f"{side} · " in facts


def test_a_selection_has_the_numbers_of_its_own_capture(page: Opened) -> None:
    page.page.evaluate(f"ortprobe.select('r{runs_of(BEFORE) + 5}')")
    details = page.page.locator("#tl-details")
    assert details.locator("h3").inner_text() == "run 5"
    assert "Session\n0\n" in details.inner_text()
    runs, start_ns = example(AFTER).timeline.runs, example(AFTER).timeline.start_ns
    moment = f"{(int(runs.start_ns[5]) - start_ns) / 1e6:,.3f} ms after the first event"
    assert moment in details.inner_text()


def test_each_capture_has_its_own_counters(page: Opened, open_page: OpenPage, tmp_path: Path) -> None:
    everything = "0, 1e18"
    for side, name in enumerate((BEFORE, AFTER)):
        folder = tmp_path / name
        folder.mkdir()
        alone = open_page(write_page(example(name), folder)).page
        for counter in ("streams", "queue", "arena"):
            found = page.page.evaluate(f"ortprobe.counter('{counter}', {everything}, {side})")
            expected = alone.evaluate(f"ortprobe.counter('{counter}', {everything})")
            assert (found["greatest"], found["steps"]) == (expected["greatest"], expected["steps"])


def test_runs_of_each_capture_are_folded_against_its_own_median(open_page: OpenPage, diff_file: Path) -> None:
    opened = open_page(diff_file)
    opened.page.locator("#tl-fold").click()
    opened.settle()
    lines = opened.page.evaluate("ortprobe.folded()")
    numbers = [int(line["key"][1:]) for line in lines]
    assert numbers == sorted(numbers)
    assert min(numbers) < runs_of(BEFORE) <= max(numbers)
    for name, mine in (
        (BEFORE, [line for line in lines if int(line["key"][1:]) < runs_of(BEFORE)]),
        (AFTER, [line for line in lines if int(line["key"][1:]) >= runs_of(BEFORE)]),
    ):
        first = 0 if name == BEFORE else runs_of(BEFORE)
        runs = example(name).timeline.runs
        took_ns = {line["key"]: int((runs.end_ns - runs.start_ns)[int(line["key"][1:]) - first]) for line in mine}
        median_ns = sorted(took_ns.values())[len(took_ns) // 2]
        assert {line["key"] for line in mine if line["odd"]} == {
            key for key, ns in took_ns.items() if ns > 1.5 * median_ns
        }
    note = opened.page.locator("#tl-folded-note").inner_text()
    assert "before: " in note
    assert "after: " in note


def test_figures_of_a_table_lead_to_their_own_capture(page: Opened) -> None:
    row = page.page.locator("#table-nodes-0 tbody tr").first
    for column, side in ((2, "before"), (3, "after"), (0, "after")):
        row.locator("td").nth(column).locator("button").click()
        assert f"Capture\n{side}" in page.page.locator("#tl-details dl").inner_text()


def test_the_parts_of_the_difference_are_drawn(page: Opened, diff: Diff) -> None:
    charts = [diff.comparison.sessions[0].account, diff.comparison.sessions[0].pace_account]
    assert page.page.evaluate("ortprobe.stats().charts") == len([each for each in charts if each]) > 0
    assert page.page.locator(".plot svg .point").count() > 4


def test_evidence_of_both_sides_findings_selects_its_own_capture(page: Opened) -> None:
    for details in page.page.locator("details.became").all():
        details.evaluate("each => { each.open = true; }")
        button = details.locator(".evidence button").first
        if not button.count():
            continue
        button.click()
        side = "before" if details.locator("article").get_attribute("id").endswith("before") else "after"  # type: ignore[union-attr]
        assert f"Capture\n{side}" in page.page.locator("#tl-details dl").inner_text()


def test_fixed_findings_are_told_from_those_that_stay(page: Opened) -> None:
    found = {
        heading.inner_text().split()[0].casefold(): heading.evaluate(
            """each => {
              const codes = [];
              for (let next = each.nextElementSibling; next?.matches('details'); next = next.nextElementSibling) {
                codes.push(next.querySelector('summary .code').textContent);
              }
              return codes;
            }"""
        )
        for heading in page.page.locator("h3.became").all()
    }
    codes = [{finding.code for finding in judge(example(name)).findings} for name in (BEFORE, AFTER)]
    assert set(found.get("still", [])) == codes[0] & codes[1]
    assert set(found["fixed"]) == codes[0] - codes[1] != set()
    assert set(found.get("new", [])) == codes[1] - codes[0]


def hostile_scene(noise: int) -> Scene:
    scene = Scene(window_us=(0, 9000))
    profile = scene.profile(100)
    profile.load(100, 50).initialize(150, 80)
    scene.session(0, 90, 160, model=f"/models/{HOSTILE}", site="app.py:3")
    for run in range(14):
        start = 1000 + 500 * run
        profile.run(start, 400).node(HOSTILE, start + 10, 300 + noise)
        scene.hook("run", start - 5, 412, session=0, site=f"{HOSTILE}:7", attached=3)
        scene.launch(f"kernel<{HOSTILE}>", start + 20, start + 100, 200 + noise, 5 + run)
    return scene


def test_hostile_names_are_text_and_nothing_else(open_page: OpenPage, tmp_path: Path) -> None:
    sides = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        sides.append(Analyses(hostile_scene(10 * number).load(folder)))
    file = write_diff(diff_of(sides[:1], sides[1:]), tmp_path)
    opened = open_page(file)
    assert opened.complaints == []
    assert opened.page.locator("img").count() == 0
    for place in ("#table-kernels", "#table-nodes-0", "#chart-latency-0"):
        assert HOSTILE in opened.page.locator(place).text_content()  # type: ignore[operator]


def test_captures_without_runs_say_that_nothing_lies_over_each_other(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    lone = Analyses(Scene(window_us=(0, 1000)).launch("k", 10, 20, 5, 1).load(tmp_path / "scene"))
    file = write_diff(diff_of([lone], [example(AFTER)]), tmp_path)
    opened = open_page(file)
    assert opened.complaints == []
    assert "begin at the first event" in opened.page.locator(".laid-over").inner_text()
    assert opened.page.locator("#times .empty").is_visible()
    keys = opened.page.evaluate("ortprobe.keys('RUN')")
    opened.page.evaluate(f"ortprobe.select('{keys[0]}')")
    assert "Capture\nafter" in opened.page.locator("#tl-details dl").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page: OpenPage, diff_file: Path, theme: str) -> None:
    opened = open_page(diff_file, theme=theme)
    opened.page.evaluate("document.querySelectorAll('details.became').forEach(each => { each.open = true; })")
    opened.page.evaluate("ortprobe.select(ortprobe.keys('RUN').at(-1))")
    opened.page.locator("#tl-fold").click()
    found = Axe().run(opened.page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120], each["nodes"][0]["failureSummary"]) for each in found] == []


@pytest.mark.parametrize("width", [390, 768])
def test_narrow_screens_do_not_scroll_sideways(open_page: OpenPage, diff_file: Path, width: int) -> None:
    opened = open_page(diff_file, width=width)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
