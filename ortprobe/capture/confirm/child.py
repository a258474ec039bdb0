"""The child's side: run the program with the hooks, and write what they found."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from ortprobe.bundle.confirmations import encode_confirmations, write_whole
from ortprobe.capture.confirm.gpu import Gpu
from ortprobe.capture.confirm.hooks import ConfirmHooks
from ortprobe.capture.confirm.plan import RacePlan, read_plan
from ortprobe.capture.confirm.trials import Trials
from ortprobe.capture.program.program import Program, leave, load_module, load_script, run_program
from ortprobe.errors import OrtprobeError

_NO_PROGRAM = 2


def main(words: list[str]) -> int:  # noqa: RET503 - `leave` does not return
    """Run the plan whose path is the one argument. The process ends as the program does, once there is a result."""
    try:
        plan = read_plan(Path(*words))
        program = _program(plan)
    except (OrtprobeError, OSError, ValueError) as error:
        print(f"ortprobe: {error}", file=sys.stderr)
        return _NO_PROGRAM
    result = Result(plan, Path(plan.result).absolute())
    result.write(ended=result.trials.is_settled)
    if result.trials.is_settled:
        return 0
    hooks = ConfirmHooks(result.trials)
    hooks.install()
    outcome = run_program(program)
    result.write(ended=True)
    leave(outcome)


def _program(plan: RacePlan) -> Program:
    if plan.kind == "module":
        return load_module(plan.path, plan.argv)
    return load_script(Path(plan.path), plan.argv)


class Result:
    """The file that the parent reads. It is written again whenever a suspect is settled: a program may crash later."""

    def __init__(self, plan: RacePlan, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ends_early = plan.ends_early
        self.trials = Trials(plan.suspects, plan.tries, Gpu(plan.spin_ms), self._settled)

    def write(self, *, ended: bool) -> None:
        """One thread at a time: the file that is not yet in place has one name."""
        with self._lock:
            write_whole(self._path, encode_confirmations(self.trials.confirmations(ended=ended)))

    def _settled(self) -> None:
        """Called by hooks: what fails here is the program's concern as little as the rest."""
        is_written = False
        with suppress(Exception):
            self.write(ended=self.trials.is_settled)
            is_written = True
        if is_written and self._ends_early and self.trials.is_settled:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):
                    stream.flush()
            os._exit(0)
