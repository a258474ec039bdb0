"""What the pointer says stays inside of the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import OpenPage


@pytest.mark.parametrize("share", [0.02, 0.45, 0.55, 0.98])
def test_the_tip_is_beside_the_pointer_and_inside_of_the_window(
    open_page: OpenPage, set_providers: Path, share: float
) -> None:  # fmt: skip
    page = open_page(set_providers).page
    page.evaluate("document.querySelector('#timeline').scrollIntoView()")
    box = page.locator("#tl-canvas").bounding_box()
    row = page.evaluate("ortprobe.rect(ortprobe.keys('SESSION')[0])")
    page.evaluate("location.hash = '#v=1&t=4100000000,4800000000'")
    x = box["x"] + share * box["width"]
    page.mouse.move(x, box["y"] + row["top"] + 8)
    tip = page.locator("#tip").bounding_box()
    assert page.locator("#tip").inner_text().startswith("session 0")
    assert tip["x"] >= 0
    assert tip["x"] + tip["width"] <= page.evaluate("document.documentElement.clientWidth")
    assert min(abs(tip["x"] - x), abs(tip["x"] + tip["width"] - x)) < 20
