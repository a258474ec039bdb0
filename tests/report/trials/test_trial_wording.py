"""How a trial is said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.trials.outputs import OutputComparison, OutputDifference, SameOutputs
from ortprobe.analysis.trials.prediction import Prediction
from ortprobe.analysis.trials.result import SideFacts, TrialResult
from ortprobe.analysis.trials.saving import Saving, Verdict
from ortprobe.report.trials.text import trial_text
from ortprobe.report.trials.trial_json import trial_json
from ortprobe.report.trials.wording import caution_text, outputs_text, prediction_text, verdict_text

FASTER = Saving(
    verdict=Verdict.FASTER, a_ns=2_840_000, b_ns=740_000, saving_ns=2_100_000, low_ns=1_900_000, high_ns=2_300_000,
    factor=0.26, factor_low=0.19, factor_high=0.33, within=0.81, pairs=4, runs=(400, 400),
)  # fmt: skip
SLOWER = replace(
    FASTER, verdict=Verdict.SLOWER, b_ns=8_900_000, saving_ns=-6_060_000, low_ns=-6_100_000, high_ns=-6_000_000,
    factor=3.13,
)  # fmt: skip
WORST = OutputDifference(
    name="y", call="0", dtype="float32", relative=0.001, absolute=0.002, is_bitwise=False, is_close=True,
    greatest=0.00012, greatest_relative=0.03,
)  # fmt: skip
EQUAL = OutputComparison(verdict=SameOutputs.BITWISE, compared=8, worst=None)
SIDE = SideFacts(settings=(), creation_ns=400_000_000, first_run_ns=494_000_000, took_ns=None)


def result(saving: Saving | None = FASTER, outputs: OutputComparison = EQUAL, **more: object) -> TrialResult:
    values: dict[str, object] = {
        "target": "resnet50.onnx",
        "kind": "model",
        "sides": {"A": SIDE, "B": replace(SIDE, settings=("use_tf32=0",))},
        "by_pace": False,
        "saving": saving,
        "outputs": outputs,
        "prediction": None,
        "unpredicted": "no capture",
        "providers": ("CUDAExecutionProvider", "CPUExecutionProvider"),
        "device": "NVIDIA H100",
        "onnxruntime": "1.31.1",
        **more,
    }
    return TrialResult(**values)  # type: ignore[arg-type]


def outputs(verdict: SameOutputs, worst: OutputDifference | None = WORST, why: str = "") -> OutputComparison:
    return OutputComparison(verdict=verdict, compared=8, worst=worst, why=why)


DIFFERENT, UNSTEADY = outputs(SameOutputs.DIFFERENT), outputs(SameOutputs.UNSTEADY)


@pytest.mark.parametrize(
    ("tried", "sentence", "verdict", "good"),
    [
        (result(), "faster by 2.10 ms a run (1.90 ms to 2.30 ms), × 0.26", "faster", True),
        (result(SLOWER), "slower by 6.06 ms a run (6.00 ms to 6.10 ms), × 3.13", "slower", False),
        (result(replace(FASTER, verdict=Verdict.SAME, within=0.013)), "same within 1.3 %", "same", True),
        (
            result(replace(FASTER, verdict=Verdict.UNCLEAR, low_ns=-300_000, high_ns=500_000)),
            "can't tell: too few runs: from 300 µs slower to 500 µs faster; try more --repeats",
            "unclear",
            False,
        ),
        (
            result(outputs=DIFFERENT),
            "the outputs differ; faster by 2.10 ms a run (1.90 ms to 2.30 ms), × 0.26",
            "outputs-differ",
            False,
        ),
        (
            result(outputs=UNSTEADY),
            "faster by 2.10 ms a run (1.90 ms to 2.30 ms), × 0.26, but can't tell whether the outputs are the same",
            "faster",
            False,
        ),
        (result(None, failure="SystemExit: 3"), "fails with the change: SystemExit: 3", "fails", False),
        (result(None, untried="no runs"), "can't tell: no runs", "untried", False),
    ],
)
def test_the_verdict_is_one_sentence(tried: TrialResult, sentence: str, verdict: str, good: bool) -> None:
    assert verdict_text(tried) == sentence
    document = json.loads(trial_json(tried))
    assert (document["schema_version"], document["verdict"], document["sentence"]) == (1, verdict, sentence)
    assert (document["is_good"], tried.is_good) == (good, good)


@pytest.mark.parametrize(
    ("compared", "text"),
    [
        (EQUAL, "equal bit for bit (8 outputs compared)"),
        (
            outputs(SameOutputs.WITHIN),
            "the same within rtol 0.001, atol 0.002 (8 outputs compared): float32 output 'y' by up to 0.00012, "
            "relative 0.03",
        ),
        (DIFFERENT, "they differ beyond rtol 0.001, atol 0.002: float32 output 'y' by up to 0.00012, relative 0.03"),
        (
            outputs(SameOutputs.DIFFERENT, replace(WORST, why="NaN or infinity on one side alone")),
            "they differ beyond rtol 0.001, atol 0.002: float32 output 'y': NaN or infinity on one side alone",
        ),
        (
            UNSTEADY,
            "can't tell: they differ from run to run on one and the same side: float32 output 'y' by up to 0.00012, "
            "relative 0.03",
        ),
        (outputs(SameOutputs.UNSEEN, None, "no run"), "can't tell: no run"),
        (
            outputs(SameOutputs.BITWISE, why="too large"),
            "equal bit for bit (8 outputs compared) (not all were seen: too large)",
        ),
    ],
)
def test_outputs_are_said_with_their_tolerances(compared: OutputComparison, text: str) -> None:
    assert outputs_text(compared) == text


def test_a_prediction_stands_beside_what_was_measured() -> None:
    predicted = Prediction(change=Change.ONE_LAUNCH, saving_ns=2_000_000, low_ns=-100_000, high_ns=2_200_000)
    assert prediction_text(result(prediction=predicted)) == (
        "saves 2.00 ms a run (−100 µs to 2.20 ms), by replaying the capture with one-launch"
    )
    assert prediction_text(result()) == "none: no capture"


def test_changes_of_the_order_in_programs_come_with_a_caution() -> None:
    sides = {"A": SIDE, "B": replace(SIDE, settings=("disable_synchronize_execution_providers=1",))}
    assert "ortprobe trace" in caution_text(result(kind="script", sides=sides))
    assert caution_text(result(sides=sides)) == ""
    assert caution_text(result(kind="script")) == ""


def test_the_text_has_all_of_it() -> None:
    assert trial_text(result()) == (
        "resnet50.onnx: use_tf32=0, against the default\n"
        "faster by 2.10 ms a run (1.90 ms to 2.30 ms), × 0.26\n"
        "\n"
        "                  a run    session made in  first run\n"
        "  A  the default  2.84 ms  400 ms           494 ms\n"
        "  B  use_tf32=0   740 µs   400 ms           494 ms\n"
        "\n"
        "  a run:      copy, run, clone; medians of 400 and 400 runs in 4 processes; 95 % intervals\n"
        "  outputs:    equal bit for bit (8 outputs compared)\n"
        "  predicted:  none: no capture\n"
        "  on:         NVIDIA H100, onnxruntime 1.31.1\n"
    )


def test_names_can_not_move_the_cursor() -> None:
    assert "\x1b" not in trial_text(result(target="a\x1b[2Jb.onnx", failure="\x1b[31m"))
