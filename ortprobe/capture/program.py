"""Running somebody's program inside this process, the way Python itself would."""

from __future__ import annotations

import atexit
import builtins
import importlib.util
import io
import os
import pkgutil
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import NoReturn

from ortprobe.capture.callsite import is_ours
from ortprobe.capture.hook_log import one_line
from ortprobe.errors import CaptureFailed, UsageError

_SIGTERM_EXIT = 128 + signal.SIGTERM
_SIGINT_EXIT = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: its exit code, and the exception that ended it on one line ("" without one)."""

    exit_code: int
    exception: str = ""


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
        return Program("script", name, argv, lambda: _run_container(path))
    code = _compiled(path)
    file = os.path.abspath(path)
    main = _main_module({"__file__": file, "__cached__": None, "__loader__": SourceFileLoader("__main__", file)})
    return Program("script", name, argv, lambda: _execute(code, main, str(path.resolve().parent)))


def load_module(name: str, args: Sequence[str], *, kind: str = "module", title: str = "") -> Program:
    """A module or a package with a `__main__`, as `python -m NAME ARGS…` would run it.

    Raises:
        UsageError: there is no such module, or it can't be executed.
    """
    sys.path.insert(0, os.getcwd())
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise UsageError(f"-m {name}: {one_line(error)}") from error
    finally:
        sys.path.pop(0)
    loader = spec.loader if spec else None
    code = loader.get_code(spec.name) if spec and loader and hasattr(loader, "get_code") else None
    if spec is None or code is None or spec.origin is None:
        raise UsageError(f"-m {name}: no such module, or a package without a __main__")
    main = _main_module(
        {
            "__file__": spec.origin,
            "__cached__": spec.cached,
            "__spec__": spec,
            "__loader__": loader,
            "__package__": spec.parent,
        }
    )
    argv = (spec.origin, *args)
    return Program(kind, title or name.rpartition(".")[2], argv, lambda: _execute(code, main, os.getcwd()))


def run_program(program: Program) -> Outcome:
    """Run it to its end, including the threads it leaves running, and say how it ended.

    An exception is printed as Python prints it, without the frames of the tracer. A child that the program forked and
    that comes out of it ends here: the capture is its parent's.
    """
    process = os.getpid()
    outcome = _run(program)
    if os.getpid() != process:
        _end_child(outcome.exit_code)
    return outcome


def _run(program: Program) -> Outcome:
    with _arguments(program.argv), _terminable():
        try:
            program.execute()
            _join_threads()
        except SystemExit as leaving:
            return _after_exit(leaving)
        except KeyboardInterrupt as interrupt:
            _print_exception(interrupt)
            return Outcome(_SIGINT_EXIT, one_line(interrupt))
        except CaptureFailed:
            raise
        except BaseException as error:
            _print_exception(error)
            _join_threads()
            return Outcome(1, one_line(error))
    return Outcome(0)


def _end_child(exit_code: int) -> NoReturn:
    """As Python ends, but for the C++ destructors: onnxruntime's wait for threads that a forked child has not got."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(exit_code)


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
    exec(code, vars(main))


def _run_container(path: Path) -> None:
    sys.path.pop(0)
    runpy.run_path(str(path), run_name="__main__")


@contextmanager
def _arguments(argv: Sequence[str]) -> Iterator[None]:
    kept_argv, kept_path = sys.argv, list(sys.path)
    sys.argv = list(argv)
    try:
        yield
    finally:
        sys.argv, sys.path[:] = kept_argv, kept_path


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the program as an exit would, which completes the capture; a handler of its own replaces ours."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is _exit_on_signal:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit_on_signal(_number: int, _frame: object) -> None:
    raise SystemExit(_SIGTERM_EXIT)


def _join_threads() -> None:
    """Python waits for a program's threads before it ends; so does the capture."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _after_exit(leaving: SystemExit) -> Outcome:
    """`sys.exit(None)` is 0, a number is itself, and anything else is printed and 1 (Python, `sys.exit`)."""
    if leaving.code is None:
        return Outcome(0)
    if isinstance(leaving.code, int):
        return Outcome(leaving.code & 0xFF, "" if leaving.code == 0 else one_line(leaving))
    print(leaving.code, file=sys.stderr)
    return Outcome(1, one_line(leaving))


def _print_exception(error: BaseException) -> None:
    shown = error.with_traceback(_without_tracer(error.__traceback__))
    hook = sys.excepthook
    try:
        hook(type(shown), shown, shown.__traceback__)
    except BaseException:
        traceback.print_exception(shown)


def _without_tracer(entries: TracebackType | None) -> TracebackType | None:
    """The traceback less ortprobe's own frames, outermost and in between."""
    if entries is None:
        return None
    rest = _without_tracer(entries.tb_next)
    return rest if _is_ours(entries) else TracebackType(rest, entries.tb_frame, entries.tb_lasti, entries.tb_lineno)


def _is_ours(entry: TracebackType) -> bool:
    filename = entry.tb_frame.f_code.co_filename
    return is_ours(filename) or filename.startswith("<frozen runpy")
