"""A race that is there is made to show, and one that is not is not."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch

import ortprobe.examples
from ortprobe.bundle.confirmations import DIFFERS_ANYWAY, NO_OTHER_OUTPUTS, OWN_STREAM, Confirmation, Suspect
from ortprobe.capture.confirm.parent import confirm_races
from ortprobe.capture.confirm.plan import RacePlan

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="needs a CUDA GPU and onnxruntime-gpu",
)
WRITE, RUN, READ = (
    ("copy_", "image.copy_("),
    ("run_with_iobinding", "session.run_with_iobinding("),
    ("clone", 'outputs["embedding"].clone()'),
)


def confirmed(example: str, hazard: str, first: tuple[str, str], second: tuple[str, str]) -> Confirmation:
    """Of the first lines of the example that hold the calls."""
    path = Path(ortprobe.examples.__file__).parent / f"{example}.py"
    lines = path.read_text().splitlines()
    sites = [f"{path}:{next(at for at, line in enumerate(lines, 1) if call in line)}" for _, call in (first, second)]
    suspect = Suspect(
        hazard=hazard, first_what=first[0], first_site=sites[0], second_what=second[0], second_site=sites[1]
    )
    plan = RacePlan(kind="module", path=f"ortprobe.examples.{example}", suspects=(suspect,))
    return confirm_races(plan, 300)[0]


def test_missing_wait_is_confirmed() -> None:
    found = confirmed("missing_wait", "read-after-write", WRITE, RUN)
    assert found.tried == 5
    assert found.changed >= 4
    assert found.why == ""


@pytest.mark.parametrize(
    ("hazard", "first", "second"),
    [
        ("read-after-write", WRITE, RUN),
        ("read-after-write", RUN, READ),
        ("write-after-read", RUN, WRITE),
        ("write-after-read", READ, RUN),
    ],
)
def test_ordered_calls_are_not(hazard: str, first: tuple[str, str], second: tuple[str, str]) -> None:
    found = confirmed("healthy", hazard, first, second)
    assert (found.tried, found.changed, found.why) == (5, 0, NO_OTHER_OUTPUTS.format(5))


def test_the_stream_of_onnxruntime_itself_is_not_held_up() -> None:
    """The run has waited for its outputs when it returns."""
    assert confirmed("missing_wait", "read-after-write", RUN, READ).why in (OWN_STREAM, DIFFERS_ANYWAY)
