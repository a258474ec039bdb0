"""Both sides of a model in one process: two sessions that take turns.

What the machine does meanwhile (its clocks, its neighbours, its temperature) then happens to both. Turns go ABBA, so
that what grows over time grows in both alike. The first runs of a turn are not timed: the other session's threads may
still be spinning, and the caches are the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from ortprobe.bundle.trials import SideName, SideTrial, Trial
from ortprobe.capture.hook_log import one_line
from ortprobe.capture.runner.model import Feeds, random_feeds, read_inputs
from ortprobe.capture.runner.runner import Runner, cuda_problem
from ortprobe.capture.verify.knobs import Setting, Where, of_where
from ortprobe.capture.verify.outputs import KeptOutputs
from ortprobe.capture.verify.plan import TrialPlan
from ortprobe.capture.verify.settings import CUDA, put_into, run_options
from ortprobe.errors import CaptureFailed, UsageError

if TYPE_CHECKING:
    import onnxruntime
    import torch

BLOCKS = 10
"""Turns of each side in one process."""
_UNTIMED = 2
_TIMED_S = 2.0
_FEWEST, _MOST = 3, 200
"""Timed runs of a turn, where the user has not said how many."""
DEFAULTS: Mapping[str, str] = {"stream": "user", "binding": "on"}
"""How a model is run if nothing else is said."""


@dataclass(slots=True, eq=False)
class _Side:
    """One session, and how to run it once."""

    name: SideName
    session: onnxruntime.InferenceSession
    stream: torch.cuda.Stream | None
    """Kept alive for the session, which has it by its handle."""
    step: Callable[[], Mapping[str, object]]
    creation_ns: int
    first_run_ns: int
    times_ns: list[int] = field(default_factory=list)
    runs: int = 0


def needs_cuda(settings: tuple[Setting, ...]) -> Setting | None:
    """The first setting that only a session on CUDA has."""
    return next((each for each in settings if each.where is Where.PROVIDER or each.key == "stream"), None)


def run_model(plan: TrialPlan) -> Trial:
    """Make the sessions in the plan's order, run them in turns, and keep outputs of both.

    Raises:
        UsageError, UnreadableInput: the model or its shapes, or a setting that can't be had here.
        CaptureFailed: side A can't be run. What becomes of side B is in its `refused`.
    """
    path = Path(plan.path)
    feeds = random_feeds(read_inputs(path), plan.dims, plan.shapes)
    problem = "the provider is to be cpu" if plan.provider == "cpu" else cuda_problem()
    if plan.provider == "cuda" and problem:
        raise UsageError(f"--provider cuda: {problem}")
    for settings in plan.settings.values():
        asked = needs_cuda(settings)
        if asked is not None and problem:
            raise UsageError(f"{asked}: needs a session on CUDA: {problem}")
    on_host = any(_runner_setting(settings, "binding") == "off" for settings in plan.settings.values())
    making = _Making(path=path, feeds=feeds, on_cuda=not problem, on_host=on_host)
    try:
        sides = {name: _made(making, name, plan.settings.get(name, ())) for name in plan.sides}
        return _in_turns(plan, making, sides)
    except _SideFailed as failure:
        if failure.side == "A":
            raise CaptureFailed(f"{path}: onnxruntime can't run it ({failure})") from failure
        refused = SideTrial(refused=str(failure))
        return Trial(sides={failure.side: refused}, device=_device(making), onnxruntime=_version())


class _SideFailed(Exception):
    """A side's session could not be made or run: one line."""

    def __init__(self, side: SideName, error: Exception) -> None:
        super().__init__(one_line(error))
        self.side = side


@contextmanager
def _of_side(name: SideName) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        raise _SideFailed(name, error) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """What both sides have in common."""

    path: Path
    feeds: Feeds
    on_cuda: bool
    on_host: bool
    """Whether inputs come from the host and outputs go back there, as they must where a side runs without binding."""


def _made(making: _Making, name: SideName, settings: tuple[Setting, ...]) -> _Side:
    with _of_side(name):
        session, stream, creation_ns = _session(making, settings)
        step = _step(making, session, stream, settings)
        first_ns = perf_counter_ns()
        step()
        _wait(making)
        return _Side(name, session, stream, step, creation_ns, perf_counter_ns() - first_ns)


def _session(
    making: _Making, settings: tuple[Setting, ...]
) -> tuple[onnxruntime.InferenceSession, torch.cuda.Stream | None, int]:
    """The session, the stream that it shares, and how long its constructor took, in ns."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    put_into(options, settings)
    stream = _stream(making, settings)
    providers: list[Any] = ["CPUExecutionProvider"]
    if making.on_cuda:
        if hasattr(onnxruntime, "preload_dlls"):  # onnxruntime 1.21
            onnxruntime.preload_dlls()
        cuda = of_where(settings, Where.PROVIDER)
        if stream is not None:
            cuda["user_compute_stream"] = str(stream.cuda_stream)
        providers.insert(0, (CUDA, cuda))
    start_ns = perf_counter_ns()
    session = onnxruntime.InferenceSession(making.path, options, providers=providers, enable_fallback=0)
    created_ns = perf_counter_ns()
    if making.on_cuda and CUDA not in session.get_providers():
        raise RuntimeError("onnxruntime made a session on the CPU alone: its CUDA libraries can't be loaded")
    return session, stream, created_ns - start_ns


def _stream(making: _Making, settings: tuple[Setting, ...]) -> torch.cuda.Stream | None:
    if not making.on_cuda or _runner_setting(settings, "stream") == "own":
        return None
    import torch

    return torch.cuda.Stream()


def _step(
    making: _Making,
    session: onnxruntime.InferenceSession,
    stream: torch.cuda.Stream | None,
    settings: tuple[Setting, ...],
) -> Callable[[], Mapping[str, object]]:
    """A function that makes one run: inputs in, run, copies of the outputs out."""
    options = run_options(settings)
    if _runner_setting(settings, "binding") == "off":
        names = [node.name for node in session.get_outputs()]
        return lambda: dict(zip(names, session.run(None, making.feeds, options), strict=True))
    runner = Runner(session, stream=stream, run_options=options)
    if not making.on_cuda:
        return lambda: runner(making.feeds)
    import torch

    if making.on_host:
        return lambda: {name: value.cpu() for name, value in runner(making.feeds).items()}  # type: ignore[union-attr]
    feeds = {name: torch.from_numpy(feed).cuda() for name, feed in making.feeds.items()}
    return lambda: runner(feeds)


def _in_turns(plan: TrialPlan, making: _Making, sides: dict[SideName, _Side]) -> Trial:
    kept = KeptOutputs()
    each_complete = all(_waits(plan.settings.get(name, ())) for name in sides)
    took_ns = max([_warmed_up(making, side, plan.warmup) for side in sides.values()])
    outputs = {name: kept.keep("0", _outputs(making, side)) for name, side in sides.items()}
    again = {name: kept.keep("0", _outputs(making, side)) for name, side in sides.items()}
    timed = max(plan.iterations // BLOCKS, 1) if plan.iterations else _timed_in_a_turn(took_ns)
    for turn in range(2 * BLOCKS):
        _turn(making, sides["A" if turn % 4 in (0, 3) else "B"], timed, each_complete=each_complete)
    kept.save(Path(plan.folder))
    return Trial(
        sides={
            name: SideTrial(
                times_ns=tuple(side.times_ns),
                runs=side.runs,
                creation_ns=side.creation_ns,
                first_run_ns=side.first_run_ns,
                providers=tuple(side.session.get_providers()),
                changed=1,
                outputs=outputs[name],
                again=again[name],
                unseen=kept.unseen,
            )
            for name, side in sides.items()
        },
        each_complete=each_complete,
        device=_device(making),
        onnxruntime=_version(),
    )


def _waits(settings: tuple[Setting, ...]) -> bool:
    """Whether a run is complete when it returns; where it is not, one run's time says little, and that of many does."""
    return of_where(settings, Where.RUN_ENTRY).get("disable_synchronize_execution_providers") != "1"


def _warmed_up(making: _Making, side: _Side, runs: int) -> int:
    """Run so often untimed; returns what one of these runs took, in ns."""
    times = []
    with _of_side(side.name):
        for _ in range(max(runs, 2)):
            start_ns = perf_counter_ns()
            side.step()
            _wait(making)
            times.append(perf_counter_ns() - start_ns)
    return int(np.median(times))


def _outputs(making: _Making, side: _Side) -> list[tuple[str, object]]:
    with _of_side(side.name):
        outputs = side.step()
        _wait(making)
    return list(outputs.items())


def _timed_in_a_turn(run_ns: int) -> int:
    return int(np.clip(_TIMED_S * 1e9 / BLOCKS / max(run_ns, 1), _FEWEST, _MOST))


def _turn(making: _Making, side: _Side, runs: int, *, each_complete: bool) -> None:
    step, marks = side.step, []
    with _of_side(side.name):
        for _ in range(_UNTIMED):
            step()
        _wait(making)
        marks.append(perf_counter_ns())
        for _ in range(runs):
            step()
            marks.append(perf_counter_ns())
        _wait(making)
    marks[-1] = perf_counter_ns()
    side.runs += runs
    if each_complete:
        side.times_ns += np.diff(marks).tolist()
    else:
        side.times_ns.append((marks[-1] - marks[0]) // runs)


def _wait(making: _Making) -> None:
    """Until the GPU has done all that it was given."""
    if making.on_cuda:
        import torch

        torch.cuda.synchronize()


def _runner_setting(settings: tuple[Setting, ...], key: str) -> str:
    return of_where(settings, Where.RUNNER).get(key, DEFAULTS[key])


def _device(making: _Making) -> str:
    if not making.on_cuda:
        return ""
    import torch

    return str(torch.cuda.get_device_name())


def _version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)
