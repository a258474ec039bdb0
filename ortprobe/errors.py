"""What can go wrong, with the exit code each failure ends the command with."""

from __future__ import annotations

from ortprobe.names import printable


class OrtprobeError(Exception):
    """One line for the user: what happened, where, and what to do. Ends a command with exit code 2."""

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(OrtprobeError):
    """The command line, or a call from code, asks for something that can't be done as asked."""


class UnreadableInput(OrtprobeError):
    """A file that should hold a trace, a bundle or a model holds something else, or only part of it."""


class OutputExists(OrtprobeError):
    """An output is already there, and nothing is overwritten without being asked to."""


class CaptureFailed(OrtprobeError):
    """The target could not be started, so there is nothing to report."""


class ProgramInterrupted(Exception):
    """The traced program did not catch Ctrl-C: the command ends of SIGINT, as Python does (CPython, `exit_sigint`)."""
