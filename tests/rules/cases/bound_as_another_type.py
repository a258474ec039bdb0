from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline


def bound(dtype: str, tensor_dtype: str, *, tensor_bytes: int = 64) -> Scene:
    """64 bytes of a tensor, bound as elements of a type."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",))
    scene.hook("io_binding", 60, 1, session=0, binding=0)
    scene.hook(
        "bind_input", 70, 1, binding=0, buffer="x", read_address=4096, read_bytes=64, dtype=dtype,
        tensor_dtype=tensor_dtype, tensor_bytes=tensor_bytes, site="app.py:5",
    )  # fmt: skip
    return scene.hook("run_with_iobinding", 100, 50, session=0, binding=0, site="app.py:8")


def fault(folder: Path) -> Timeline:
    """Half precision, taken for single."""
    return bound("float32", "float16").load(folder)


def near_miss(folder: Path) -> Timeline:
    """Memory of plain bytes, of which a part is used."""
    return bound("float32", "uint8", tensor_bytes=4096).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Memory of no tensor that was seen."""
    return bound("float32", "", tensor_bytes=0).load(folder)
