"""Whatever shows a stack or a traceback shows the same text as without the tracer."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import ortprobe, run_python

from tests.capture.conftest import RUN, Both, shown

SHOWN = {
    "caught, printed and logged": """
import logging
def call(): session.run(None, {})
try: call()
except Exception: print(traceback.format_exc()); logging.exception("failed")
""",
    "cause, context and group": """
try:
    try: session.run(["nothing"], feeds)
    except Exception as error: raise ValueError("wrapped") from error
except ValueError as error:
    first = error
try:
    try: onnxruntime.InferenceSession(MODEL, providers=["Nothing"]).run(["nothing"], feeds)
    except Exception: session.io_binding().bind_cpu_input("x", None)
except Exception as error:
    raise ExceptionGroup("both", [first, error])
""",
    "threads, with a hook of the program": """
def fail(): session.run(None, {})
for hook in (threading.excepthook, lambda args: threading.__excepthook__(args)):
    threading.excepthook = hook
    thread = threading.Thread(target=fail); thread.start(); thread.join()
""",
    "a hook of the program": """
standard = sys.__excepthook__
print(sys.excepthook is standard)
def hook(kind, error, entries):
    print("mine", kind, len(traceback.extract_tb(entries)))
    standard(kind, error, entries)
sys.excepthook = hook
session.run(None, {})
""",
    "unraisable": """
class Closing:
    def __del__(self): session.run(None, {})
closing = Closing()
del closing
""",
    "stacks": """
def here():
    traceback.print_stack()
    print(traceback.format_stack(), traceback.extract_stack(limit=2))
    print(traceback.StackSummary.extract(traceback.walk_stack(None)))
here()
class Feeds(dict):
    def keys(self): here(); return super().keys()
session.run(None, Feeds(feeds))
""",
    "warnings and log records with a stack level": """
import logging, warnings
logging.basicConfig(format="%(filename)s:%(lineno)d %(message)s")
class Feeds(dict):
    def keys(self):
        warnings.warn("from within a run", stacklevel=3)
        logging.warning("from within a run", stacklevel=3)
        return super().keys()
session.run(None, Feeds(feeds))
""",
}


@pytest.mark.parametrize("what", SHOWN)
def test_stacks_and_tracebacks_read_as_without_the_tracer(both: Both, what: str) -> None:
    pair = both(RUN + SHOWN[what])
    assert pair.bare.stdout + pair.bare.stderr
    pair.check()


@pytest.mark.parametrize("how", ["module", "folder"])
def test_modules_fail_with_the_frames_that_python_gives_them(tmp_path: Path, quick: None, how: str) -> None:
    text = "import sys, traceback\nprint(sys.path[0], sys.argv, __spec__.name)\ntraceback.print_stack()\n1 / 0\n"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "__main__.py").write_text(text)
    words = ["-m", "package"] if how == "module" else ["package"]
    traced = ortprobe("trace", "--no-report", *words, "word", cwd=tmp_path)
    bare = run_python(*words, "word", cwd=tmp_path)
    assert (traced.returncode, traced.stdout) == (bare.returncode, bare.stdout) == (1, bare.stdout)
    assert shown(traced.stderr) == shown(bare.stderr)


def test_runner_that_the_program_calls_itself_stays_in_its_tracebacks(both: Both) -> None:
    pair = both(RUN + "import ortprobe\nortprobe.Runner(session)({})")
    pair.check()
    assert "runner.py" in pair.traced.stderr
