"""What `ortprobe trace` leaves on disk, and what it says of it."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ortprobe.cli.output_files import write_output
from ortprobe.errors import OrtprobeError, OutputExists, UsageError
from ortprobe.units import format_bytes

if TYPE_CHECKING:
    from ortprobe.report.report import Report

_MOST_CHILD_REPORTS = 8
_STDERR_DESCRIPTOR = 2
_NARROWEST = 80
_LINES_BELOW = 4
"""What is said below the report: where it lies, what to do next, and the prompt."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user wants of the outputs."""

    no_report: bool
    force: bool
    open_report: bool


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a trace leaves in its folder."""

    bundle: Path
    html: Path
    findings: Path

    @classmethod
    def of(cls, folder: Path, name: str) -> Outputs:
        return cls(folder / f"{name}.ortprobe", folder / f"{name}.html", folder / "findings.json")

    def absolute(self) -> Outputs:
        """The same places wherever the program changes its directory to."""
        return Outputs(self.bundle.absolute(), self.html.absolute(), self.findings.absolute())

    def check(self, *, report: bool, force: bool) -> None:
        """Refuse before anything runs what would be refused after it."""
        for path in (self.bundle, self.html, self.findings) if report else (self.bundle,):
            if os.path.lexists(path) and not force:
                raise OutputExists(f"{path}: already there; choose another folder with -o, or overwrite with --force")

    def make_folder(self) -> Path | None:
        """Make the folder; returns the outermost path that was not there before, None when the bundle itself was.

        Raises:
            UsageError: it can't be made or written.
        """
        parent = self.bundle.parent
        bundle = self.bundle.absolute()
        missing = [path for path in (bundle, *bundle.parents) if not path.exists()]
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{parent}: can't be created ({error.strerror}); choose another with -o") from error
        if not os.access(parent, os.W_OK | os.X_OK):
            raise UsageError(f"{parent}: is not writable; choose another folder with -o")
        return missing[-1] if missing else None


def conclude(outputs: Outputs, on_disk: Outputs, choices: Choices, exit_code: int) -> int:
    """Say what was recorded and report it; the target's exit code, or 2 when only analysing failed.

    Args:
        outputs: as the user is told of them.
        on_disk: the same places, wherever the program has changed its directory to.
    """
    say(f"recorded {outputs.bundle} ({format_bytes(_folder_bytes(on_disk.bundle))})")
    if choices.no_report:
        say(f"next: ortprobe report {outputs.bundle}")
        return exit_code
    say("analysing")
    try:
        report = _write_reports(on_disk, force=choices.force)
        shown = _show_screen(report)
        size = format_bytes(on_disk.html.stat().st_size)
    except Exception as error:
        reason = error if isinstance(error, OrtprobeError) else f"{type(error).__name__}: {error}"
        say(f"the capture is in {outputs.bundle}, but analysing it failed: {reason}")
        return exit_code or OrtprobeError.exit_code
    if not shown:
        say(report.verdict)
    say(f"report {outputs.html} ({size})")
    for path in _child_reports(report, on_disk, choices):
        say(f"report {outputs.html.with_name(path.name)} ({format_bytes(path.stat().st_size)}), of a child process")
    form = "details" if shown else "text"
    say(f"next: open it in a browser, or ortprobe report {outputs.bundle} --format {form}")
    if choices.open_report:
        webbrowser.open(on_disk.html.as_uri())
    return exit_code


def _write_reports(outputs: Outputs, *, force: bool) -> Report:
    """The page and `findings.json`, beside the bundle."""
    from ortprobe.report.report import load

    report = load(outputs.bundle)
    write_output(outputs.html, report.render("html"), force=force)
    write_output(outputs.findings, report.render("json"), force=force)
    return report


def _child_reports(parent: Report, outputs: Outputs, choices: Choices) -> list[Path]:
    """A page for each child process that ran a session, `NAME-child-PID.html`, for those with the most runs."""
    from ortprobe.report.report import load

    written = []
    children = [child for child in parent.judgement.analyses.timeline.capture.children if child.runs]
    for child in sorted(children, key=lambda child: -child.runs)[:_MOST_CHILD_REPORTS]:
        path = outputs.html.with_name(f"{outputs.html.stem}-child-{Path(child.bundle).name}.html")
        try:
            write_output(path, load(outputs.bundle / child.bundle).render("html"), force=choices.force)
        except Exception as error:
            say(f"the child in {child.bundle} can't be reported: {error}")
        else:
            written.append(path)
    return written


def say(line: str) -> None:
    """To stderr as it was at the start; to nobody when the program has closed it or put a file of its own there."""
    with suppress(OSError, ValueError, RuntimeError):
        if _file_behind_stderr() == _STDERR:
            click.echo(f"ortprobe: {line}", file=sys.__stderr__)


def _show_screen(report: Report) -> bool:
    """Show the report where stderr is a terminal that holds it, and the lines that follow; whether it was."""
    from rich.console import Console

    from ortprobe.report.text.encoding import print_encodable
    from ortprobe.report.text.screen import print_lines, screen_lines

    with suppress(OSError, ValueError, RuntimeError):
        if sys.__stderr__ is None or not sys.__stderr__.isatty() or _file_behind_stderr() != _STDERR:
            return False
        console = Console(file=sys.__stderr__)
        room = console.height - _LINES_BELOW
        lines = screen_lines(report.judgement, console.width, room)
        if console.width >= _NARROWEST and len(lines) <= room:
            print_encodable(console, partial(print_lines, lines))
            return True
    return False


def _file_behind_stderr() -> tuple[int, int] | None:
    try:
        status = os.fstat(_STDERR_DESCRIPTOR)
    except OSError:
        return None
    return status.st_dev, status.st_ino


_STDERR = _file_behind_stderr()


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
