"""What is done to a page in Chromium to measure it: when it is drawn, how soon it answers, how much ink a row has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
_ARGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-precise-memory-info")
_PATIENCE_S = 600
_POLL_S = 0.1

_WATCH = """
(() => {
  const look = frames => {
    if (frames === FRAMES) (window.seenMs ||= {}).NAME = performance.now();
    else requestAnimationFrame(() => look(CONDITION ? frames + 1 : frames));
  };
  look(-1);
})();
"""

SETTLED = """
async act => {
  const began = performance.now();
  await act();
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - began;
}
"""
"""Milliseconds from an act to its second frame."""

INK = """
({ data, width, height }, background, fills) => {
  const rgb = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
  const ground = rgb(background);
  const lines = fills.map(fill => rgb(fill).map((value, channel) => value - ground[channel]));
  const inkAt = at => {
    let best = 0, least = Infinity;
    for (const line of lines) {
      const away = line.map((_, channel) => data[at + channel] - ground[channel]);
      const dot = line.reduce((sum, value, channel) => sum + value * away[channel], 0);
      const ink = Math.min(1, Math.max(0, dot / line.reduce((sum, value) => sum + value * value, 0)));
      const rest = line.reduce((sum, value, channel) => sum + (away[channel] - ink * value) ** 2, 0);
      if (rest < least) { best = ink; least = rest; }
    }
    return best;
  };
  let total = 0;
  for (let x = 0; x < width; x++) {
    const column = Array.from({ length: height }, (_, y) => inkAt(4 * (y * width + x)));
    // Between a full top and a full bottom lies nothing but a label.
    const isFull = Math.min(column[0], column[height - 1]) > 0.95;
    total += isFull ? 1 : column.reduce((sum, ink) => sum + ink, 0) / height;
  }
  return total / width;
}
"""
"""Mean, over the pixels of an image, of how far each is from the background towards the fill whose blend it is."""


@dataclass
class Probe:
    """A page under measurement, with what it complained about and asked the network for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, name: str, condition: str, *, frames: int = 2) -> None:
        """From the next navigation on, note the time so many frames after the first one that finds the condition true.

        What holds because something was drawn is on the screen by then; what leads to drawing needs two more frames.
        """
        script = _WATCH.replace("CONDITION", condition).replace("NAME", name).replace("FRAMES", str(frames))
        self.page.add_init_script(script)

    def open(self, file: Path) -> None:
        self.page.goto(f"file://{file}", timeout=_PATIENCE_S * 1000)

    def seen_ms(self, name: str) -> float:
        """When a watched condition was drawn, from the navigation's start."""
        deadline = time.monotonic() + _PATIENCE_S
        while (seen := self.page.evaluate(f"(window.seenMs || {{}}).{name} || 0")) == 0:
            assert time.monotonic() < deadline, f"never seen: {name}; complaints: {self.complaints}"
            time.sleep(_POLL_S)
        return float(seen)

    def heap_bytes(self) -> int:
        """What is left on the JS heap after a collection."""
        self.page.context.new_cdp_session(self.page).send("HeapProfiler.collectGarbage")
        return int(self.page.evaluate("performance.memory.usedJSHeapSize"))


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(_ARGS))
        yield browser
        browser.close()


@contextmanager
def probe(browser: Browser) -> Iterator[Probe]:
    """A blank page in a context of its own, so that nothing is cached."""
    context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    probed = Probe(context.new_page())
    probed.page.on("console", lambda message: probed.complaints.append(message.text))
    probed.page.on("pageerror", lambda error: probed.complaints.append(str(error)))
    probed.page.on("request", lambda request: probed.requests.append(request.url))
    yield probed
    context.close()
