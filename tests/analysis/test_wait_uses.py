"""What waits are good for: needed ones, needless ones, and those that the capture can't tell of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scene import PROCESS, Scene, at_ns

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.wait_uses import Use
from ortprobe.bundle import Handover

INPUT, SIZE = 0x7000, 4096
TORCH_STREAM, ORT_STREAM, THIRD_STREAM = 7, 29, 13
ROUNDS, ROUND_US = 5, 1000

Part = Callable[[Scene, float, int], object]
"""Adds something to a round that begins then, with correlation ids from there on."""


def program(*parts: Part) -> Scene:
    """A session with a bound input, and rounds of these parts."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",))
    scene.hook("io_binding", 60, 1, session=0, binding=0)
    scene.hook("bind_input", 70, 1, binding=0, buffer="x", read_address=INPUT, read_bytes=SIZE)
    for number in range(ROUNDS):
        for at, part in enumerate(parts):
            part(scene, 1000 + number * ROUND_US, 1 + 1000 * number + 100 * at)
    return scene


def copy(stream: int, at_us: float = 0) -> Part:
    """`copy_` into the input that takes the device 100 µs."""

    def add(scene: Scene, begin_us: float, ids: int) -> None:
        scene.hook("copy_", begin_us + at_us, 20, write_address=INPUT, write_bytes=SIZE, site="app.py:7")
        scene.call("cudaMemcpyAsync", begin_us + at_us + 2, 2, ids)
        scene.memcpy("Memcpy DtoD", begin_us + at_us + 10, 100, ids, stream=stream)

    return add


def run(scene: Scene, at_us: float, ids: int) -> None:
    """A run from 150 to 300 µs that ends with waits for the legacy stream and for its own."""
    scene.hook("run_with_iobinding", at_us + 150, 150, session=0, binding=0, attached=2, site="app.py:9")
    scene.launch("conv", at_us + 160, at_us + 165, 50, ids, stream=ORT_STREAM)
    for number, (begin_us, stream) in enumerate(((170, TORCH_STREAM), (285, ORT_STREAM))):
        scene.call("cudaStreamSynchronize", at_us + begin_us, 110 - 100 * number, ids + 1 + number)
        scene.wait("Stream Sync", at_us + begin_us, 110 - 100 * number, ids + 1 + number, stream=stream)


def synchronize(stream: int, from_us: float = 30, site: str = "app.py:8") -> Part:
    """The host waits for a stream for 90 µs."""

    def add(scene: Scene, at_us: float, ids: int) -> None:
        scene.hook("stream.synchronize", at_us + from_us, 95, stream=stream, site=site)
        scene.call("cudaStreamSynchronize", at_us + from_us + 1, 90, ids)
        scene.wait("Stream Sync", at_us + from_us + 1, 90, ids, stream=stream)

    return add


def stream_wait(scene: Scene, at_us: float, ids: int) -> None:
    """The session's stream waits for torch's."""
    scene.hook("wait_stream", at_us + 22, 6, stream=ORT_STREAM, waited_stream=TORCH_STREAM, site="app.py:6")
    scene.call("cudaEventRecord", at_us + 23, 1, ids).call("cudaStreamWaitEvent", at_us + 25, 1, ids + 1)
    scene.wait(
        "Stream Wait Event", at_us + 25, 1, ids + 1, stream=ORT_STREAM, waited_stream=TORCH_STREAM, record=ids
    )  # fmt: skip


def kernel(stream: int, at_us: float, dur_us: float) -> Part:
    """Other work of torch's."""
    return lambda scene, begin_us, ids: scene.launch(
        "other", begin_us + at_us, begin_us + at_us + 5, dur_us, ids, stream=stream
    )


def copy_to_host(scene: Scene, at_us: float, ids: int) -> None:
    scene.call("cudaMemcpyAsync", at_us + 22, 2, ids)
    scene.memcpy("Memcpy DtoH (Device -> Pinned)", at_us + 110, 5, ids, stream=ORT_STREAM)


def tell_another_thread(scene: Scene, at_us: float, ids: int) -> None:
    for gives, later_us, thread in ((True, 0, PROCESS), (False, 5, 99)):
        scene.records.append(
            Handover(
                what="queue.put" if gives else "queue.get", at_ns=at_ns(at_us + 130 + later_us), thread=thread,
                token=ids, gives=gives,
            )
        )  # fmt: skip


def uses(scene: Scene, folder: Path) -> dict[str, Use]:
    """By the line of the wait."""
    return {str(use.site): use.use for use in Analyses(scene.load(folder)).wait_uses}


CASES: dict[str, tuple[tuple[Part, ...], Use]] = {
    "the run is on another stream": ((copy(TORCH_STREAM), synchronize(TORCH_STREAM), run), Use.ORDERS),
    "all is on one stream": ((copy(ORT_STREAM), synchronize(ORT_STREAM), run), Use.NOTHING),
    "the run's stream waits as well": (
        (copy(TORCH_STREAM), stream_wait, synchronize(TORCH_STREAM), run), Use.NOTHING
    ),
    "the host reads a copy": (
        (copy(ORT_STREAM), copy_to_host, synchronize(ORT_STREAM), run), Use.SERVES_HOST
    ),
    "another thread is told": (
        (copy(ORT_STREAM), synchronize(ORT_STREAM), tell_another_thread, run), Use.UNKNOWN
    ),
    "torch goes on, on another stream": (
        (copy(ORT_STREAM), synchronize(ORT_STREAM), run, kernel(THIRD_STREAM, 140, 5)), Use.MAY_ORDER
    ),
    "an earlier piece of torch's work is not behind the event that the other stream waits for": (
        (
            kernel(TORCH_STREAM, 1, 2), copy(TORCH_STREAM), stream_wait, kernel(TORCH_STREAM, 28, 70),
            synchronize(TORCH_STREAM, 32), kernel(ORT_STREAM, 140, 5), run,
        ), Use.MAY_ORDER
    ),
    "the input races anyway": (
        (kernel(THIRD_STREAM, 1, 100), synchronize(THIRD_STREAM), copy(THIRD_STREAM, 126), run), Use.RACES_FIRST
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_wait_of_the_program_is_good_for(name: str, tmp_path: Path) -> None:
    parts, use = CASES[name]
    assert uses(program(*parts), tmp_path)["app.py:8"] is use


def test_of_two_waits_of_which_one_is_enough_the_cheaper_one_stays(tmp_path: Path) -> None:
    both = program(copy(TORCH_STREAM), synchronize(TORCH_STREAM, 20, "app.py:7"), stream_wait_late, run)
    assert uses(both, tmp_path) == {"app.py:7": Use.NOTHING, "app.py:8": Use.ORDERS}


def stream_wait_late(scene: Scene, at_us: float, ids: int) -> None:
    """The host waits again, for torch's second piece of work, which is short: behind both."""
    kernel(TORCH_STREAM, 116, 25)(scene, at_us, ids)
    scene.hook("stream.synchronize", at_us + 119, 28, stream=TORCH_STREAM, site="app.py:8")
    scene.call("cudaStreamSynchronize", at_us + 120, 27, ids + 1)
    scene.wait("Stream Sync", at_us + 120, 27, ids + 1, stream=TORCH_STREAM)


def test_a_run_that_waits_for_torchs_other_work_does_so_for_nothing(tmp_path: Path) -> None:
    busy = program(copy(TORCH_STREAM), synchronize(TORCH_STREAM), kernel(TORCH_STREAM, 140, 130), run)
    assert uses(busy, tmp_path)["app.py:9"] is Use.NOTHING


def test_waits_that_do_not_say_how_long_they_stalled_are_unknown_and_not_passed_over(tmp_path: Path) -> None:
    def unresolved(scene: Scene, at_us: float, ids: int) -> None:
        scene.hook("event.synchronize", at_us + 30, 95, site="app.py:8")
        scene.call("cudaEventSynchronize", at_us + 31, 90, ids)

    assert uses(program(copy(ORT_STREAM), unresolved, run), tmp_path)["app.py:8"] is Use.UNKNOWN


def test_waits_that_stall_for_next_to_nothing_are_not_asked_about(tmp_path: Path) -> None:
    late = program(copy(ORT_STREAM), synchronize(ORT_STREAM, 108), run)
    assert "app.py:8" not in uses(late, tmp_path)


def test_what_a_program_waits_for_inside_of_a_copy_is_not_its_own_wait(tmp_path: Path) -> None:
    def blocking_copy(scene: Scene, at_us: float, ids: int) -> None:
        scene.hook("copy_", at_us, 130, write_address=INPUT, write_bytes=SIZE, site="app.py:8")
        scene.call("cudaMemcpyAsync", at_us + 2, 2, ids)
        scene.memcpy("Memcpy HtoD (Pageable -> Device)", at_us + 10, 100, ids, stream=ORT_STREAM)
        scene.call("cudaStreamSynchronize", at_us + 20, 95, ids + 1)
        scene.wait("Stream Sync", at_us + 20, 95, ids + 1, stream=ORT_STREAM)

    assert "app.py:8" not in uses(program(blocking_copy, run), tmp_path)
