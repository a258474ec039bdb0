"""The parent's side: start the child, wait for it so long, and read what it wrote, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from ortprobe.bundle.confirmations import MAX_CONFIRMATIONS_BYTES, Confirmation, Suspect, decode_confirmations
from ortprobe.capture.confirm.plan import RacePlan, write_plan
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.program.parent_variable import PARENT_VARIABLE

_STDERR = 2
_GRACE_S = 5.0


def confirm_races(
    plan: RacePlan, timeout_s: float, environment: Mapping[str, str] | None = None
) -> tuple[Confirmation, ...]:
    """Run the plan's program once more in a process of its own; one confirmation for each suspect, in their order.

    What the program prints goes to stderr. Whatever happens to it, this returns, within seconds of the time limit.
    `environment` is what the program is to find in `os.environ`: what it found the first time, before it changed it.
    """
    if not plan.suspects:
        return ()
    with tempfile.TemporaryDirectory(prefix="ortprobe-confirm-") as folder:
        if not plan.result:
            plan = msgspec.structs.replace(plan, result=str(Path(folder) / "result.json"))
        path = Path(folder) / "plan.json"
        result = Path(plan.result).absolute()
        plan = msgspec.structs.replace(plan, result=str(result))
        try:
            result.unlink(missing_ok=True)  # of an earlier time
            write_plan(plan, path)
            ended = _run(path, plan.folder, timeout_s, environment)
        except (OSError, ValueError) as error:
            ended = f"the program could not be run again: {one_line(error)}"
        return _read(plan, result, ended)


def _run(plan: Path, folder: str, timeout_s: float, environment: Mapping[str, str] | None) -> str:
    """How the child ended, as a reason for what it did not get to.

    It leads a session of its own, so that what it started ends with it. One that does not end when killed, as a hung
    driver makes them, is left behind.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "ortprobe.capture.confirm", str(plan)],
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,
        env=_untraced(os.environ if environment is None else environment),
        cwd=folder or None,
        start_new_session=True,
    )
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return f"the program was still running after {timeout_s:g} s"
    finally:
        _end(process)
    if code < 0:
        return f"the program crashed when it was run again ({_signal_name(-code)})"
    return f"the program ended early when it was run again (exit code {code})"


def _untraced(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would have the child captured, as other children of a traced program are."""
    return {name: value for name, value in environment.items() if name != PARENT_VARIABLE}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it, if it has not ended, and what it has started: workers of a program that was ended early live on."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _read(plan: RacePlan, result: Path, ended: str) -> tuple[Confirmation, ...]:
    """What the child wrote; of suspects that it had not settled, why not."""
    try:
        with result.open("rb") as stream:
            written = decode_confirmations(stream.read(MAX_CONFIRMATIONS_BYTES + 1))
        pairs = list(zip(written, plan.suspects, strict=True))
    except FileNotFoundError:
        return tuple(Confirmation(suspect=suspect, why=ended) for suspect in plan.suspects)
    except (OSError, ValueError) as error:
        why = f"what running the program again has given can't be read ({one_line(error)})"
        return tuple(Confirmation(suspect=suspect, why=why) for suspect in plan.suspects)
    return tuple(_completed(one, ended, suspect) for one, suspect in pairs)


def _completed(written: Confirmation, ended: str, suspect: Suspect) -> Confirmation:
    why = written.why or ("" if written.changed else ended)
    return msgspec.structs.replace(written, suspect=suspect, why=why)
