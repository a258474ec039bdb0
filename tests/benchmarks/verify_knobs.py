"""`ortprobe verify` on a GPU, on changes of which it is known what they give.

    PYTHONPATH=. python tests/benchmarks/verify_knobs.py [--repeats N] [CASE...]

Without a CASE all of `CASES` are tried, which takes about a minute each. Prints a few lines a case. Needs what a
capture needs, and nothing that only reports need.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from workload_models import write

from ortprobe.capture.verify.knobs import parse_settings
from ortprobe.cli.trials import TrialRequest, try_change
from ortprobe.errors import OrtprobeError
from ortprobe.report.trials.wording import outputs_text, prediction_text, verdict_text
from ortprobe.units import format_ns

_PROGRAM = Path(__file__).with_name("workloads.py")
_BATCH = {"resnet50": 8, "encoder": 8, "tiny": 1}


@dataclass(frozen=True)
class Case:
    """A change, what it is tried on, and what is expected of it on an H100."""

    model: str
    change: tuple[str, ...]
    against: tuple[str, ...] = ()
    expected: str = ""
    program: bool = False
    predicted: bool = False


CASES = {
    "conv-default": Case("resnet50", ("cudnn_conv_algo_search=DEFAULT",), (), "slower, × 4"),
    "conv-heuristic": Case("resnet50", ("cudnn_conv_algo_search=HEURISTIC",), (), "same, or slower by up to a fifth"),
    "user-stream": Case("resnet50", ("stream=user",), ("stream=own",), "same"),
    "graph": Case("tiny", ("graph=on",), (), "faster", predicted=True),
    "async": Case("resnet50", ("sync=off",), (), "faster, or same", predicted=True),
    "no-tf32": Case("resnet50", ("use_tf32=0",), (), "slower"),
    "no-binding": Case("resnet50", ("binding=off",), (), "slower, or same"),
    "nothing": Case("resnet50", ("enable_skip_layer_norm_strict_mode=1",), (), "same"),
    "spinning": Case("tiny", ("session.intra_op.allow_spinning=0",), (), "same"),
    "program-conv-default": Case(
        "resnet50", ("cudnn_conv_algo_search=DEFAULT",), (), "slower, × 4; outputs are of random inputs", program=True
    ),
}


def main() -> None:
    """Try them one after the other; what fails is told in its line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases or CASES:
            case = CASES[name]
            print(f"{name}: {case.model} {' '.join(case.change)}, expected: {case.expected}", flush=True)
            try:
                print(f"  {tried(case, Path(folder), options.repeats)}", flush=True)
            except OrtprobeError as error:
                print(f"  {type(error).__name__}: {error}", flush=True)


def tried(case: Case, folder: Path, repeats: int) -> str:
    """What the trial says, on several lines."""
    model = folder / f"{case.model}.onnx"
    if not model.exists() and not case.program:
        write(case.model, model, hardmax=False)
    request = TrialRequest(
        kind="script" if case.program else "model",
        path=str(_PROGRAM if case.program else model),
        argv=(case.model, "run-sync", "60") if case.program else (),
        against=parse_settings("--against", case.against, for_model=not case.program),
        settings=parse_settings("--set", case.change, for_model=not case.program),
        repeats=repeats,
        warmup=3 if case.program else 20,
        dims={} if case.program else {"N": _BATCH[case.model]},
        timeout_s=300,
        predict=case.predicted,
    )
    result = try_change(request, lambda _: None)
    lines = [verdict_text(result), f"outputs {outputs_text(result.outputs)}", f"predicted {prediction_text(result)}"]
    if result.saving is not None:
        a, b = result.saving.a_ns, result.saving.b_ns
        lines.insert(1, f"A {format_ns(a)}, B {format_ns(b)}, within {100 * result.saving.within:.2f} %")
    made = ", ".join(f"{name} {format_ns(facts.creation_ns)}" for name, facts in result.sides.items())
    return "\n  ".join((*lines, f"sessions made in {made}; on {result.device}"))


if __name__ == "__main__":
    main()
