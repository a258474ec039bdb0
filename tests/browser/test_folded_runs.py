"""Runs laid over each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ortprobe.timeline import NONE
from tests.browser.chromium_page import Opened
from tests.browser.conftest import OpenPage
from tests.captures import example


@pytest.fixture
def page(open_page: OpenPage, set_providers: Path) -> Opened:
    opened = open_page(set_providers)
    opened.page.locator("#tl-fold").click()
    opened.settle()
    return opened


def watched_runs() -> list[int]:
    """Runs with work on the GPU, in time order."""
    links, ops = example("set-providers").timeline.links, example("set-providers").timeline.device_ops.span
    run = links.run[ops]
    return np.unique(run[run != NONE]).tolist()


def test_every_run_whose_work_was_seen_is_a_line_and_the_odd_ones_are_marked(page: Opened) -> None:
    lines = page.page.evaluate("ortprobe.folded()")
    assert [line["key"] for line in lines] == [f"r{run}" for run in watched_runs()]
    runs = example("set-providers").timeline.runs
    took_ns = {f"r{run}": int(runs.end_ns[run] - runs.start_ns[run]) for run in watched_runs()}
    median_ns = sorted(took_ns.values())[len(took_ns) // 2]
    odd = {key for key, ns in took_ns.items() if ns > 1.5 * median_ns}
    assert {line["key"] for line in lines if line["odd"]} == odd
    assert odd >= {"r0", "r60"}
    assert f"{len(odd)} took more than 1.5 times that" in page.page.locator("#tl-folded-note").inner_text()


def test_a_line_leads_to_its_run(page: Opened) -> None:
    line = page.page.evaluate("ortprobe.folded()")[30]
    canvas = page.page.locator("#tl-folded-canvas")
    canvas.scroll_into_view_if_needed()
    canvas.click(position={"x": 200, "y": line["top"] + 2})
    assert page.page.evaluate("ortprobe.selection()") == line["key"]


def test_lines_can_be_chosen_from_the_keyboard(page: Opened) -> None:
    page.page.locator("#tl-folded-canvas").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.page.keyboard.press(key)
    assert page.page.locator("#live").inner_text().startswith("run 1:")
    page.page.keyboard.press("Enter")
    assert page.page.evaluate("ortprobe.selection()") == "r1"
    assert page.complaints == []


def test_the_button_says_whether_they_are_shown(page: Opened) -> None:
    button = page.page.locator("#tl-fold")
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert button.get_attribute("aria-expanded") == "false"
    assert not page.page.locator("#tl-folded").is_visible()


def test_the_work_of_a_run_is_drawn_where_it_ran(page: Opened) -> None:
    """The colour of kernels in the last run's line covers as much of it as its kernels do."""
    timeline = example("set-providers").timeline
    run = watched_runs()[-1]
    ops = timeline.device_ops.span
    own = ops[timeline.links.run[ops] == run]
    busy_ns = int((timeline.spans.end_ns[own] - timeline.spans.start_ns[own]).sum())
    took_ns = int(timeline.runs.end_ns[run] - timeline.runs.start_ns[run])
    ink = page.page.evaluate(
        """() => {
          const canvas = document.querySelector('#tl-folded-canvas'), lines = ortprobe.folded();
          const y = Math.round(lines[lines.length - 1].top + 1);
          const row = canvas.getContext('2d').getImageData(77, y, canvas.width - 77, 1).data;
          const near = (at, color) => color.every((value, channel) => Math.abs(row[at + channel] - value) < 40);
          let kernels = 0, run = 0;
          for (let at = 0; at < row.length; at += 4) {
            if (near(at, [0, 122, 92])) kernels++;
            if (row[at] < 250) run++;
          }
          return [kernels, run];
        }"""
    )
    assert ink[0] / ink[1] == pytest.approx(busy_ns / took_ns, abs=0.1), json.dumps(ink)
