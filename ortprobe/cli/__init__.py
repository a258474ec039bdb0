"""The command line: one module a command, imported when the command is used, and one place where failures end."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module

import click

from ortprobe import __version__
from ortprobe.cli.configuration import configure, origin
from ortprobe.errors import OrtprobeError, ProgramInterrupted
from ortprobe.names import printable

_COMMANDS = {
    "trace": "Run a model or a program, record it and write the report.",
    "report": "Make the report of a capture again, in any format.",
    "check": "Judge a capture in a build: findings, budgets, a baseline.",
    "diff": "Compare captures before and after a change.",
    "verify": "Try a change on a model or a program, and say what it gives.",
    "explain": "Say what a finding means, how it is known, and what to change.",
    "rules": "List the rules that findings are of.",
    "pack": "Make one file of a capture, to send.",
    "doctor": "Say whether a capture works here, and what it will contain.",
    "nsys": "The right nsys command line for a target.",
}

_READER_GONE = 141
"""What a shell shows for a program that SIGPIPE ended."""


class LazyCommands(click.Group):
    """Imports `ortprobe.cli.<command>` when a command is used, and configures it; `--help` needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"ortprobe.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        configure(ctx, command, _COMMANDS)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Where nobody reads its output any more, it ends as a shell's commands do: click would exit
        with 1, which says something of the capture."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _drop_output()
            raise click.exceptions.Exit(_READER_GONE) from None
        except OSError as error:
            # A file that can't be opened is named in the error.
            if error.errno != errno.ENOSPC or error.filename is not None:
                raise
            _drop_output()
            raise OrtprobeError(f"what is to be printed can't be written ({error.strerror})") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ortprobe")
def group() -> None:
    """Where the time goes, and whether the result is right, when ONNX Runtime runs beside PyTorch on a GPU.

    Options of a command can also stand in [tool.ortprobe.COMMAND] of a pyproject.toml, here or above, and in the
    environment as ORTPROBE_COMMAND_OPTION. The command line comes first, then the environment, then the file.
    """


def main() -> None:
    """Run the command line and exit: 0 fine, 2 for wrong usage or unreadable input with one line that says what."""
    try:
        code = group.main(prog_name="ortprobe", standalone_mode=False)
    except OrtprobeError as error:
        click.echo(f"ortprobe: {error}", err=True)
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        click.echo(f"ortprobe: {printable(_told(error))}", err=True)
        code = error.exit_code
    except ProgramInterrupted:
        # Python then runs exit functions and kills itself with SIGINT. The program's own traceback has been printed.
        sys.excepthook = lambda *_: None
        raise KeyboardInterrupt from None
    except (click.Abort, KeyboardInterrupt):
        code = 130
    sys.exit(code)


def _drop_output() -> None:
    """Leave nothing for Python to flush where it can't be written, when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: click.ClickException) -> str:
    """The message, after the file or variable that holds what is wrong."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None or not error.param.name:
        return error.format_message()
    given = origin(error.ctx, error.param.name)
    return f"{given}: {error.format_message()}" if given else error.format_message()
