from __future__ import annotations

from pathlib import Path

from holes import calls_lost
from scene import Scene

from ortprobe.timeline import Timeline


def loop(*, addresses: tuple[int, ...] = (4096,), dur_us: float = 8, rounds: int = 10) -> Scene:
    """An input that is bound before each run, to these addresses in turns; a round takes 100 µs."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",))
    scene.hook("io_binding", 60, 1, session=0, binding=0)
    for number in range(rounds):
        start_us, address = 100 + 100 * number, addresses[number % len(addresses)]
        scene.hook(
            "bind_input", start_us, dur_us, binding=0, buffer="x", read_address=address, read_bytes=64,
            dtype="float32", site="app.py:6",
        )  # fmt: skip
        scene.hook("run_with_iobinding", start_us + 20, 50, session=0, binding=0, site="app.py:7")
    return scene


def fault(folder: Path) -> Timeline:
    """The same address in each round."""
    return loop().load(folder)


def near_miss(folder: Path) -> Timeline:
    """Two buffers in turns."""
    return loop(addresses=(4096, 8192)).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Calls are missing, and a bind of another buffer may be among them."""
    return calls_lost(loop().load(folder))
