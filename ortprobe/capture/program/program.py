"""Running somebody's program inside this process, the way Python itself would."""

from __future__ import annotations

import atexit
import builtins
import io
import os
import pkgutil
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import NoReturn

from ortprobe.capture.hook_log import one_line
from ortprobe.capture.program.recursion import same_recursion_limit
from ortprobe.capture.program.signals import die_of
from ortprobe.capture.program.tracebacks import hide_hooks, hide_launcher
from ortprobe.errors import CaptureFailed, UsageError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: its exit code, and the exception or signal that ended it on one line ("" without one)."""

    exit_code: int
    exception: str = ""
    signal: int = 0
    """The signal that Python ends of once its exit functions have run: SIGINT after a KeyboardInterrupt; 0 for none."""

    runs_on: bool = False
    """Whether daemon threads of the program are still at work with sessions."""

    @classmethod
    def killed(cls, number: int, why: str = "", *, dies_later: bool = False) -> Outcome:
        """Ended by a signal, with the exit code that a shell shows for it."""
        return cls(128 + number, why or signal.Signals(number).name, number if dies_later else 0)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is ready to run: what `run` executes, and what it finds in `sys.argv`."""

    kind: str
    name: str
    argv: tuple[str, ...]
    execute: Callable[[], None]


def load_script(path: Path, args: Sequence[str]) -> Program:
    """A script, or a folder or zip file with a `__main__.py`, as `python PATH ARGS…` would run it.

    Raises:
        UsageError: there is no such file, or Python can't compile it.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file; give a script, a model (.onnx), or a module with -m")
    name = path.resolve().stem
    argv = (str(path), *args)
    if path.is_dir() or path.suffix in (".zip", ".pyz"):
        importer = pkgutil.get_importer(str(path))
        if importer is None or importer.find_spec("__main__") is None:
            raise UsageError(f"{path}: has no __main__.py; give a script, a model (.onnx), or a module with -m")
        main = _main_module({})
        return Program("script", name, argv, partial(_execute_module, "__main__", main, os.path.abspath(path)))
    code = _compiled(path)
    file = os.path.abspath(path)
    main = _main_module({"__file__": file, "__cached__": None, "__loader__": SourceFileLoader("__main__", file)})
    return Program("script", name, argv, lambda: _execute(code, main, str(path.resolve().parent)))


def load_module(name: str, args: Sequence[str], *, kind: str = "module", title: str = "") -> Program:
    """A module or a package with a `__main__`, as `python -m NAME ARGS…` would run it.

    Raises:
        UsageError: there is no such module, or it can't be executed.
    """
    try:
        found = _find_without_import(name, [os.getcwd(), *sys.path])
        if found is not None and found.submodule_search_locations is not None:
            found = _find_without_import("__main__", found.submodule_search_locations)
    except (ImportError, ValueError) as error:
        raise UsageError(f"-m {name}: {one_line(error)}") from error
    if found is None:
        raise UsageError(f"-m {name}: no such module, or a package without a __main__")
    argv = ("-m", *args)
    main = _main_module({})
    run = partial(_execute_module, name, main, os.getcwd(), states_origin=True)
    return Program(kind, title or name.rpartition(".")[2], argv, run)


def _find_without_import(name: str, search: Sequence[str]) -> ModuleSpec | None:
    """The spec of a module. `importlib.util.find_spec` would import its packages, before anything is hooked."""
    first, _, rest = name.partition(".")
    spec = PathFinder.find_spec(first, list(search))
    if spec is None or not rest:
        return spec
    return _find_without_import(rest, spec.submodule_search_locations or [])


class ProgramFailed(Exception):
    """A program of ortprobe's own can't go on: one line for the user, in place of a traceback."""


def run_program(program: Program) -> Outcome:
    """Run it to its end, including the threads it leaves running, and say how it ended.

    An exception is printed as Python prints it, without the frames of the tracer. A child that the program forked and
    that comes out of it ends here: the capture is its parent's.
    """
    process = os.getpid()
    with _arguments(program.argv):
        outcome = _run(program)
        _end_threads()
    if os.getpid() != process:
        leave(outcome)
    return outcome


def _run(program: Program) -> Outcome:
    try:
        program.execute()
    except SystemExit as leaving:
        return _after_exit(leaving)
    except CaptureFailed:
        raise
    except ProgramFailed as failure:
        print(f"ortprobe: {failure}", file=sys.stderr)
        return Outcome(CaptureFailed.exit_code, str(failure))
    except BaseException as error:
        instead = _print_exception(error)
        if instead is not None:
            return _after_exit(instead)
        if isinstance(error, KeyboardInterrupt):
            return Outcome.killed(signal.SIGINT, one_line(error), dies_later=True)
        return Outcome(1, one_line(error))
    return Outcome(0)


def leave(outcome: Outcome) -> NoReturn:
    """End the process as Python does, but for taking itself apart, and for C++ destructors.

    onnxruntime's wait for threads that a forked child has not got. And a daemon thread that comes back from a run into
    a Python that is taking itself apart ends the process with SIGABRT, the likelier the longer that lasts.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    if outcome.signal:
        die_of(outcome.signal)
    os._exit(outcome.exit_code)


def _compiled(path: Path) -> CodeType:
    try:
        with io.open_code(str(path.resolve())) as source:
            return compile(source.read(), os.path.abspath(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{path}: is neither a model (.onnx) nor a Python program ({one_line(error)})") from error
    except OSError as error:
        raise UsageError(f"{path}: can't be read ({error.strerror})") from error


def _main_module(attributes: dict[str, object]) -> ModuleType:
    main = ModuleType("__main__")
    vars(main).update({"__builtins__": builtins, "__package__": None, "__spec__": None, **attributes})
    return main


def _execute(code: CodeType, main: ModuleType, first_path: str) -> None:
    """The module stays `__main__` afterwards, as its threads, pickles and exit functions expect."""
    sys.modules["__main__"] = main
    sys.path[0] = first_path
    with same_recursion_limit():
        exec(code, vars(main))


def _execute_module(name: str, main: ModuleType, first_path: str, *, states_origin: bool = False) -> None:
    """By the function that the interpreter itself calls for `-m`, folders and zip files (CPython, Modules/main.c).

    It fills in the module's attributes, and its two frames belong to the tracebacks of such programs. For `-m` the
    first of the arguments is the module's file once its packages are imported, and `-m` until then.
    """
    sys.modules["__main__"] = main
    sys.path[0] = first_path
    with same_recursion_limit():
        runpy._run_module_as_main(name, alter_argv=states_origin)  # type: ignore[attr-defined]


@contextmanager
def _arguments(argv: Sequence[str]) -> Iterator[None]:
    kept_argv, kept_path = sys.argv, list(sys.path)
    sys.argv = list(argv)
    try:
        yield
    finally:
        sys.argv, sys.path[:] = kept_argv, kept_path


def _end_threads() -> None:
    """Python waits for a program's threads before it ends (`threading._shutdown`); so does the capture.

    Executors that were not shut down register with `threading` to be told that the end has come: their threads wait
    for work until then. What Ctrl-C ends is the wait.
    """
    try:
        registered = getattr(threading, "_threading_atexits", [])
        while registered:
            registered.pop()()
        while waited_for := _other_threads():
            for thread in waited_for:
                thread.join()
    except BaseException as error:
        hide_hooks(error)
        error.__traceback__ = hide_launcher(error.__traceback__)
        with suppress(Exception):
            print(f"Exception ignored in: {threading!r}", file=sys.stderr)
            sys.__excepthook__(type(error), error, error.__traceback__)


def _other_threads() -> list[threading.Thread]:
    others = (thread for thread in threading.enumerate() if thread is not threading.current_thread())
    return [thread for thread in others if not thread.daemon]


def _after_exit(leaving: SystemExit) -> Outcome:
    """`sys.exit(None)` is 0, a number is itself, and anything else is printed and 1 (Python, `sys.exit`)."""
    if leaving.code is None:
        return Outcome(0)
    if isinstance(leaving.code, int):
        return Outcome(leaving.code & 0xFF, "" if leaving.code == 0 else one_line(leaving))
    with suppress(Exception):
        print(leaving.code, file=sys.stderr)
    return Outcome(1, one_line(leaving))


def _print_exception(error: BaseException) -> SystemExit | None:
    """Give it to `sys.excepthook` as Python does; returns the SystemExit with which the hook ended the program instead.

    A hook that fails is reported in Python's words, with the exception it was given (CPython, `PyErr_PrintEx`).
    """
    hide_hooks(error)
    error.__traceback__ = hide_launcher(error.__traceback__)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit as leaving:
        return leaving
    except BaseException as failure:
        failure.__traceback__ = hide_launcher(failure.__traceback__)
        failure.__context__ = None
        with suppress(Exception):
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(failure), failure, failure.__traceback__)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(type(error), error, error.__traceback__)
    return None
