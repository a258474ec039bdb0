"""Which changes a replay can predict, and that its prediction is passed on as it is."""

from __future__ import annotations

import captures
import pytest

from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.trials.prediction import predict, predicted_change

ASYNC = "disable_synchronize_execution_providers=1"


@pytest.mark.parametrize(
    ("settings", "against", "change"),
    [
        ([ASYNC], [], Change.NO_RUN_WAITS),
        (["enable_cuda_graph=1"], [], Change.ONE_LAUNCH),
        (["enable_cuda_graph=1", "use_tf32=0"], ["use_tf32=0"], Change.ONE_LAUNCH),
        (["enable_cuda_graph=1", "use_tf32=0"], [], None),
        (["enable_cuda_graph=0"], ["enable_cuda_graph=1"], None),
        (["cudnn_conv_algo_search=DEFAULT"], [], None),
        ([ASYNC, "enable_cuda_graph=1"], [], None),
    ],
)
def test_changes_of_the_replay(settings: list[str], against: list[str], change: Change | None) -> None:
    assert predicted_change(settings, against) is change


def test_the_prediction_is_the_replays() -> None:
    what_ifs = captures.example("healthy").what_ifs
    assert what_ifs is not None
    for change in Change:
        found, known = predict(change, what_ifs), what_ifs.of_change(change)
        assert (found is None) == (known is None)
        if found is not None and known is not None:
            assert found.saving_ns == what_ifs.pace_ns - known.pace_ns
            assert found.low_ns <= found.saving_ns <= found.high_ns
