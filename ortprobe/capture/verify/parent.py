"""The parent's side of a trial: one process after another, and what each has to tell, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ortprobe.bundle.trials import Trial, read_trial
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.program.parent_variable import PARENT_VARIABLE
from ortprobe.capture.verify.plan import PLAN_NAME, TrialPlan, write_plan

LOG_NAME = "printed.txt"
_GRACE_S = 5.0
_MOST_LOG_BYTES = 1 << 16


def run_trial(plan: TrialPlan, timeout_s: float) -> Trial:
    """Run a plan in a process of its own, in the plan's folder, which is made. What the target prints goes into a file.

    Whatever happens to it, this returns, within seconds of the time limit. `exit_code` is negative for a signal.
    """
    folder = Path(plan.folder)
    folder.mkdir(parents=True)
    write_plan(plan, folder / PLAN_NAME)
    environment = {name: value for name, value in os.environ.items() if name != PARENT_VARIABLE}
    with (folder / LOG_NAME).open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "ortprobe.capture.verify", str(folder / PLAN_NAME)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        ended = ""
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code, ended = -signal.SIGKILL, f"still running after {timeout_s:g} s (--timeout)"
        finally:
            _end(process)
    return _told(folder, code, ended)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it, if it has not ended, and what it has started."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)


def _told(folder: Path, code: int, ended: str) -> Trial:
    try:
        trial = read_trial(folder)
    except FileNotFoundError:
        return Trial(folder=str(folder), exit_code=code, problem=ended or _how_it_ended(folder, code))
    except (OSError, ValueError) as error:
        return Trial(folder=str(folder), exit_code=code, problem=f"what it gave can't be read ({one_line(error)})")
    if ended or code < 0:  # after it had written what it had to tell, as Python takes itself apart
        return Trial(folder=str(folder), exit_code=code, problem=ended or _how_it_ended(folder, code))
    return trial


def _how_it_ended(folder: Path, code: int) -> str:
    last = _last_line(folder / LOG_NAME)
    if code < 0:
        with suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
        return f"ended by signal {-code}"
    return last or f"ended with exit code {code} before its runs could be seen"


def _last_line(printed: Path) -> str:
    with printed.open("rb") as stream:
        stream.seek(max(printed.stat().st_size - _MOST_LOG_BYTES, 0))
        lines = stream.read().decode(errors="replace").splitlines()
    return next((one_line(line).removeprefix("ortprobe: ") for line in reversed(lines) if line.strip()), "")
