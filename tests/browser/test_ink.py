"""How much of a row is painted, against how much of its time was in use: no lane may look busier than it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from ortprobe.analysis.analyses import Analyses
from tests.browser.chromium_page import Opened
from tests.browser.conftest import OpenPage, write_page
from tests.captures import example
from tests.scene import Scene

POINTS = 0.02
_INK = """([key, colors]) => {
  const canvas = document.querySelector('#tl-canvas'), pen = canvas.getContext('2d');
  const { top, height } = ortprobe.rect(key), square = color => color.reduce((sum, value) => sum + value * value, 0);
  const page = pen.getImageData(0, Math.round(top) - 2, 1, 1).data;
  const { data } = pen.getImageData(0, Math.round(top), canvas.width, Math.round(height));
  let ink = 0;
  for (let at = 0; at < data.length; at += 4) {
    let best = 0, off = Infinity;
    for (const color of colors) {
      const full = color.map((value, channel) => value - page[channel]);
      const here = full.map((_, channel) => data[at + channel] - page[channel]);
      const share = full.reduce((sum, value, i) => sum + value * here[i], 0) / square(full);
      const rest = square(full.map((value, i) => here[i] - share * value));
      if (rest < off) { off = rest; best = share; }
    }
    ink += Math.min(1, Math.max(0, best));
  }
  return ink / (data.length / 4);
}"""
"""Each pixel's share of the way from the page's colour to the nearest of the colours, on average over a row."""
KERNEL, COPY, FILL = [0, 122, 92], [176, 74, 0], [122, 106, 0]


def rows_of_device_work(opened: Opened) -> list[str]:
    """A mark of each row of streams that are not folded."""
    found: dict[float, str] = {}
    for category in ("KERNEL", "COPY", "FILL"):
        for key in opened.page.evaluate(f"ortprobe.keys('{category}')"):
            box = opened.page.evaluate(f"ortprobe.rect('{key}')")
            if box["height"] > 8:
                found.setdefault(box["top"], key)
        if len(found) > 3:
            break
    return list(found.values())


@pytest.mark.parametrize("name", ["missing-wait", "healthy"])
def test_a_row_of_device_work_has_as_much_ink_as_it_was_busy(
    open_page: OpenPage, tmp_path: Path, name: str
) -> None:  # fmt: skip
    opened = open_page(write_page(example(name), tmp_path))
    keys = rows_of_device_work(opened)
    assert len(keys) >= 2
    work = example(name).timeline
    whole_ns, ops = work.end_ns - work.start_ns, work.device_ops.span
    first_ns = int(work.spans.start_ns[ops].min()) - work.start_ns
    last_ns = int(work.spans.end_ns[ops].max()) - work.start_ns
    middle_ns, seen = (first_ns + last_ns) // 2, []
    for from_ns, to_ns in ((0, whole_ns), (first_ns, last_ns), (middle_ns, middle_ns + (last_ns - middle_ns) // 4)):
        opened.page.evaluate(f"location.hash = '#v=1&t={from_ns},{to_ns}'")
        opened.settle()
        opened.settle()
        for key in keys:
            busy = opened.page.evaluate(f"ortprobe.busy('{key}', {from_ns}, {to_ns})") / (to_ns - from_ns)
            ink = opened.page.evaluate(_INK, [key, [KERNEL, COPY, FILL]])
            assert ink == pytest.approx(busy, abs=POINTS), f"{key} from {from_ns} to {to_ns} ns"
            seen.append(busy)
    assert max(seen) > 0.05


def test_what_takes_no_time_is_still_seen(open_page: OpenPage, tmp_path: Path) -> None:
    """ORT counts whole microseconds, so a node can take none."""
    scene = Scene()
    scene.profile().load(0, 50).initialize(50, 80).run(200, 400).node("instant", 300, 0)
    page = open_page(write_page(Analyses(scene.load(tmp_path)), tmp_path)).page
    box = page.evaluate("ortprobe.rect(ortprobe.keys('ORT_NODE')[0])")
    top, bottom = page.evaluate(
        """({ left, top, height }) => {
          const pen = document.querySelector('#tl-canvas').getContext('2d');
          const pixel = y => Array.from(pen.getImageData(Math.floor(left), Math.round(y), 1, 1).data);
          return [pixel(top), pixel(top + height - 1)];
        }""",
        box,
    )
    assert bottom != top, "the palest marks have a line at their foot"
