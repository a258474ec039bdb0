"""Real Chromium, one for all tests of a module, and the pages of real captures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.html import render_html
from ortprobe.rules import judge
from tests.browser.chromium_page import Opened, chromium, opener
from tests.captures import example

OpenPage = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    with opener(browser) as open_page:
        yield open_page


def write_page(analyses: Analyses, folder: Path) -> Path:
    """The page of a capture, as a file."""
    file = folder / "page.html"
    file.write_text(render_html(judge(analyses)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def set_providers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session that `set_providers` built again in the middle, with ORT's profile and torch's trace."""
    return write_page(example("set-providers"), tmp_path_factory.mktemp("page"))
