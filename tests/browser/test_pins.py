"""Lanes that are pinned to the top."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium_page import Opened
from tests.browser.conftest import OpenPage


@pytest.fixture
def page(open_page: OpenPage, set_providers: Path) -> Opened:
    return open_page(set_providers)


def order(opened: Opened) -> list[str]:
    opened.settle()
    lanes = opened.page.evaluate("ortprobe.lanes()")
    assert [lane["top"] for lane in lanes] == sorted(lane["top"] for lane in lanes)
    return [lane["key"] for lane in lanes]


def test_a_pinned_lane_comes_first_and_goes_back(page: Opened) -> None:
    before = order(page)
    pin = page.page.get_by_role("button", name="Pin GPU 0 idle to the top")
    pin.focus()
    page.page.keyboard.press("Enter")
    assert order(page) == ["idle0", *(key for key in before if key != "idle0")]
    assert pin.get_attribute("aria-pressed") == "true"
    page.page.keyboard.press("Enter")
    assert order(page) == before


def test_p_pins_the_lane_of_the_selection_and_the_address_keeps_it(
    page: Opened, open_page: OpenPage, set_providers: Path
) -> None:
    key = page.page.evaluate("ortprobe.keys('IDLE_HOST')[0]")
    page.page.evaluate(f"ortprobe.select('{key}')")
    page.page.keyboard.press("p")
    assert order(page)[0] == "idle0"
    shared = page.page.evaluate("location.hash")
    again = open_page(set_providers, fragment=shared)
    assert order(again)[0] == "idle0"
    assert again.page.evaluate("ortprobe.selection()") == key
