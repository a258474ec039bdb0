"""Where the time goes, and whether the result is right, when ONNX Runtime runs beside PyTorch on a GPU."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # true to type checkers; importing `typing` takes half as long as starting Python
if TYPE_CHECKING:
    from ortprobe.capture.runner.runner import Runner
    from ortprobe.capture.tracing import trace
    from ortprobe.report.report import Report, load

__version__ = "0.1.0"
__all__ = ["Report", "Runner", "__version__", "load", "trace"]

_HOMES = {
    "Report": "ortprobe.report.report",
    "Runner": "ortprobe.capture.runner.runner",
    "load": "ortprobe.report.report",
    "trace": "ortprobe.capture.tracing",
}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: `import ortprobe` itself imports nothing heavy (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
