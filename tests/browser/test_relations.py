"""What the arrows of a selection lead to."""

from __future__ import annotations

from pathlib import Path

from ortprobe.timeline import NONE
from tests.browser.conftest import OpenPage
from tests.captures import example


def test_a_call_that_waits_leads_to_its_wait_and_to_the_work_waited_for(
    open_page: OpenPage, set_providers: Path
) -> None:
    page = open_page(set_providers).page
    waits = example("set-providers").waits
    told = (waits.call != NONE) & (waits.work != NONE) & (waits.stall_ns > 0) & waits.by_host
    (row, *_) = told.nonzero()[0].tolist()
    labels = page.evaluate(f"ortprobe.relations('s{waits.call[row]}')")
    assert labels == ["waited for", "its wait"]
    page.evaluate(f"ortprobe.select('s{waits.call[row]}')")
    page.locator("#tl-details .relations button").first.click()
    assert page.evaluate("ortprobe.selection()") == f"s{waits.work[row]}"
