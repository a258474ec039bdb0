"""A page in real Chromium, with what it complained about and asked the network for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
_PATIENCE_S = 20


@dataclass
class Opened:
    """A page that is ready."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def until(self, expression: str) -> None:
        """Polls, because the page's policy forbids the `eval` that playwright's own waiting needs."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}; complaints: {self.complaints}"
            time.sleep(0.05)

    def settle(self) -> None:
        """Two animation frames: what was asked for is drawn."""
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def click_mark(self, key: str) -> None:
        """Click the canvas in the middle of what is seen of a mark."""
        self.settle()
        box = self.page.evaluate(f"ortprobe.rect('{key}')")
        canvas, y = self.page.locator("#tl-canvas"), box["top"] + box["height"] / 2
        # To the middle of the window: at its top the axis lies over the lanes.
        at = "document.querySelector('#tl-canvas').getBoundingClientRect().top"
        self.page.evaluate(f"scrollBy({{ top: {at} + {y} - innerHeight / 2, behavior: 'instant' }})")
        place = canvas.bounding_box()
        left, right = max(0, box["left"]), min(place["width"], box["right"])
        self.page.mouse.click(place["x"] + (left + right) / 2, place["y"] + y)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, or a skipped test where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@contextmanager
def opener(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Opens files; `theme` and `width` as the user's system has them. What it opened is closed behind it."""
    contexts: list[BrowserContext] = []

    def open_page(file: Path, *, theme: str = "light", width: int = 1280, fragment: str = "") -> Opened:
        # With motion, a page may still be scrolling when its marks are clicked.
        viewport = {"width": width, "height": 800}
        contexts.append(browser.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce"))
        page = contexts[-1].new_page()
        opened = Opened(page)
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("dialog", lambda dialog: opened.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(f"file://{file}{fragment}")
        opened.until("Boolean(window.ortprobe && window.ortprobe.chartsReady)")
        return opened

    yield open_page
    for context in contexts:
        context.close()
