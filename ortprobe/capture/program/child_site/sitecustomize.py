"""What Python imports when it starts, in the children of a traced program: see `ortprobe.capture.program.children`.

It hides whatever `sitecustomize` the machine has, and so hands over to it.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _run_the_hidden_one() -> None:
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = type(sys)("sitecustomize")
        module.__spec__, module.__file__ = spec, spec.origin
        spec.loader.exec_module(module)


sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
try:
    from ortprobe.capture.program.child_site import wait_for_onnxruntime

    wait_for_onnxruntime()
except Exception:  # another Python, without ortprobe: this child is not followed
    pass
_run_the_hidden_one()
