"""pytest: tests that hold what they run to budgets.

    @pytest.mark.ortprobe(max_re_inits=0, max_syncs_per_run=1, max_races=0, max_median="3 ms")
    def test_steady_state(): ...

traces the body of the test and fails it when a figure is greater than its limit, or can't be told. In a test that does
more than one thing, the fixture `ortprobe_capture` traces a part:

    def test_steady_state(ortprobe_capture):
        with ortprobe_capture(max_re_inits=0) as capture:
            serve()
        assert capture.report.findings == ()

Limits are those of `ortprobe check --budget`, with `max_` in front. Beside them: `fail_on` and `ignore` as on its
command line (without `fail_on` findings fail nothing), and `warmup_runs`, `active_runs` and `torch_runs` as in
`ortprobe trace`. Nothing of ortprobe is imported in a run of pytest without such a test.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from ortprobe.pytest_plugin.held_to import TestCapture

_MARK = "ortprobe"
_HELP = (
    "ortprobe(max_FIGURE=LIMIT, …, fail_on=…, ignore=…): trace the test's body, and fail the test when a figure of "
    "ortprobe check --budget is greater than its limit or can't be told."
)


class StartCapture(Protocol):
    """What the fixture `ortprobe_capture` is."""

    def __call__(self, **asked: object) -> AbstractContextManager[TestCapture]:
        """Trace what happens inside the `with` block; at its end, fail the test if a limit is not kept to."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, also to `--strict-markers`."""
    config.addinivalue_line("markers", _HELP)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Ask for a folder for what a marked test leaves."""
    if isinstance(item, pytest.Function) and item.get_closest_marker(_MARK) is not None:
        item.fixturenames.append("tmp_path")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Trace the body of a marked test."""
    marker = item.get_closest_marker(_MARK)
    if marker is None or not isinstance(item, pytest.Function):
        return (yield)
    from ortprobe.pytest_plugin.held_to import capture

    if marker.args or not marker.kwargs:
        pytest.fail("@pytest.mark.ortprobe: say by name what to hold the test to, as in max_re_inits=0", pytrace=False)
    folder = item.funcargs["tmp_path"]
    assert isinstance(folder, Path)
    with capture(folder, marker.kwargs):
        return (yield)


@pytest.fixture
def ortprobe_capture(tmp_path: Path) -> StartCapture:
    """Traces a part of a test: `with ortprobe_capture(max_re_inits=0) as capture: …`; then `capture.report`."""
    from ortprobe.pytest_plugin.held_to import capture

    @contextmanager
    def start(**asked: object) -> Iterator[TestCapture]:
        with capture(tmp_path, asked) as made:
            yield made

    return start
