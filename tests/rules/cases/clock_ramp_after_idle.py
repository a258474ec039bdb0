from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline

IN_A_ROW, SHORT, LONG = 100, 12_000, 40_000
"""µs between two runs."""
PAUSES_US = [IN_A_ROW] * 8 + [SHORT] * 6 + [LONG] * 6


def served(pauses_us: list[int], kernels_us: list[int], *, first: str = "gemm", beside_us: int = 0) -> Scene:
    """Runs of two kernels, the second half as long as the first, each so long after the one before.

    After a pause the first kernel is called `first`, and for so long another kernel runs beside it on another stream.
    """
    scene, now_us = Scene(), 0
    for number, (pause_us, kernel_us) in enumerate(zip(pauses_us, kernels_us, strict=True)):
        now_us += pause_us
        paused = pause_us > IN_A_ROW
        scene.hook("run", now_us, 2 * kernel_us + 50, session=0, attached=2, site="serve.py:7")
        scene.launch(first if paused else "gemm", now_us + 2, now_us + 10, kernel_us, 3 * number + 1)
        scene.launch("relu", now_us + 6, now_us + 10 + kernel_us, kernel_us // 2, 3 * number + 2)
        if paused and beside_us:
            scene.launch("other", now_us - 10, now_us + 15, beside_us, 3 * number + 3, stream=20)
        now_us += 2 * kernel_us + 50
    return scene.session(0, -1000, 100)


def fault(folder: Path) -> Timeline:
    """The longer the GPU had been idle, the longer take the same kernels."""
    return served(PAUSES_US, [200] * 8 + [280] * 6 + [360] * 6).load(folder)


def near_miss(folder: Path) -> Timeline:
    """The same pauses, after which kernels take as long as ever."""
    return served(PAUSES_US, [200, 202] * 4 + [201, 199] * 6).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Each run comes after a pause, so that nobody knows what it takes without."""
    return served([LONG] * 12, [360] * 12).load(folder)
