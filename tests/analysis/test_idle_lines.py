"""Idle time by the line of the program, and by run."""

from __future__ import annotations

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.causes import HOST_CAUSES
from ortprobe.analysis.idle.idle_lines import IdleLine
from ortprobe.timeline import Site, Timeline


def told(line: IdleLine) -> tuple[str, int | None, int | None, bool, int]:
    """(cause, line, next line, whether between calls, µs)."""
    site, next_site = (each.line if each else None for each in (line.site, line.next_site))
    return line.cause.value, site, next_site, line.is_between, line.time_ns // 1000


def lines_of(timeline: Timeline) -> list[tuple[str, int | None, int | None, bool, int]]:
    (device,) = Analyses(timeline).idle_lines.devices
    return [told(line) for line in device.lines]


def two_kernels() -> Scene:
    """The GPU is idle from 20 to 100, and the launch of what comes then begins at 96."""
    return Scene().launch("a", 8, 10, 10, 1).launch("b", 96, 100, 10, 2)


def test_time_inside_of_a_call_is_its_line_and_time_between_two_lies_between_their_lines(tmp_path):
    scene = two_kernels().hook("copy_", 5, 25, site="app.py:7").hook("run", 70, 40, session=0, site="app.py:9")
    lines = lines_of(scene.session(0, -100, 10).load(tmp_path))
    assert lines == [
        ("python", 7, 9, True, 40), ("ort-host", 9, None, False, 26), ("torch-op", 7, None, False, 10),
        ("launch-latency", 9, None, False, 4), ("launch-latency", 7, None, False, 2),
    ]  # fmt: skip


def test_calls_of_another_thread_say_nothing(tmp_path):
    scene = two_kernels().hook("copy_", 30, 20, thread=77, site="other.py:1").hook("copy_", 5, 20, site="app.py:7")
    assert ("python", 7, None, True, 71) in lines_of(scene.load(tmp_path))


def test_a_thread_without_calls_has_no_line(tmp_path):
    (device,) = Analyses(two_kernels().load(tmp_path)).idle_lines.devices
    assert (device.lines, device.unknown_ns) == ((), device.host_ns)
    assert device.host_ns == 82_000


def test_the_longest_piece_of_a_line_is_one_of_it(tmp_path):
    scene = two_kernels().launch("c", 116, 120, 10, 3).hook("copy_", 30, 1, site="app.py:7")
    analyses = Analyses(scene.load(tmp_path))
    (device,), (idle,) = analyses.idle_lines.devices, analyses.idle.devices
    (behind,) = (line for line in device.lines if line.site and line.cause.value == "python")
    length_ns = idle.columns.piece_end_ns - idle.columns.piece_start_ns
    assert (behind.pieces, behind.longest_piece) == (2, int(np.argmax(length_ns)))


@pytest.mark.parametrize("capture", [captures.resnet, captures.service])
def test_lines_and_what_has_none_are_the_idle_time_of_the_host(capture):
    analyses = Analyses(capture())
    for idle, lines in zip(analyses.idle.devices, analyses.idle_lines.devices, strict=True):
        host_ns = sum(idle.idle_by_cause.get(cause, 0) for cause in HOST_CAUSES)
        assert sum(line.time_ns for line in lines.lines) + lines.unknown_ns == lines.host_ns == host_ns
        times_ns = [line.time_ns for line in lines.lines]
        assert times_ns == sorted(times_ns, reverse=True)


def test_the_example_that_waits_for_a_session_says_at_which_line():
    (device,) = captures.example("missing-wait").idle_lines.devices
    dearest = {line.cause.value: line.site for line in reversed(device.lines) if not line.is_between}
    assert dearest["ort-host"] == Site(file="ortprobe/examples/missing_wait.py", line=48)
    assert dearest["session-init"] == Site(file="ortprobe/examples/missing_wait.py", line=33)
