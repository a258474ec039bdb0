"""Options from `[tool.ortprobe.COMMAND]` of a pyproject.toml, or from the environment, `ORTPROBE_COMMAND_OPTION`.

What the command line says comes first, then the environment, then the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.nearest import nearest

_FILE = "pyproject.toml"
_TABLE = "tool.ortprobe"
_META = "ortprobe.configuration"


class TableOption(click.ParamType):  # type: ignore[type-arg]  # no type parameter before click 8.4
    """An option whose value can be a path, or, in a configuration, the table that the file would hold."""

    def from_table(self, table: Mapping[str, object], source: str) -> object:
        """What `convert` makes of a file with this table."""
        raise NotImplementedError


def configure(ctx: click.Context, command: click.Command, commands: Collection[str]) -> None:
    """Let a command take its options from the environment and from the nearest pyproject.toml that configures ortprobe.

    Args:
        ctx: that of the group.
        command: the one that is about to run.
        commands: names of all.

    Raises:
        UsageError: the file names a command or an option that does not exist, or gives it what it can't be.
        UnreadableInput: the file can't be read, or holds no TOML.
    """
    name = str(command.name)
    for flag, option in _options(command).items():
        option.envvar = f"ORTPROBE_{name}_{flag}".upper().replace("-", "_")
    found = find_configuration(Path.cwd())
    if found is None:
        return
    path, table = found
    for key in table:
        if key not in commands:
            raise UsageError(f"{path}: [{_TABLE}] has {key}, which is no command{nearest(key, commands)}")
    own = table.get(name, {})
    if not isinstance(own, Mapping):
        raise UsageError(f"{path}: {name} in [{_TABLE}] is no table; write [{_TABLE}.{name}]")
    ctx.meta[_META] = path
    ctx.default_map = {name: _defaults(path, command, own)}


def find_configuration(folder: Path) -> tuple[Path, Mapping[str, object]] | None:
    """The nearest pyproject.toml, in this folder or above it, with a table `[tool.ortprobe]`, and that table."""
    for parent in (folder, *folder.parents):
        path = parent / _FILE
        if not path.is_file():
            continue
        tool = read_toml(path).get("tool", {})
        table = tool.get("ortprobe") if isinstance(tool, Mapping) else None
        if isinstance(table, Mapping):
            return path, table
    return None


def read_toml(path: Path) -> dict[str, object]:
    """The document in a TOML file.

    Raises:
        UnreadableInput: it is not there, not to be read, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UnreadableInput(f"{path}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableInput(f"{path}: is no TOML ({error})") from error


def origin(ctx: click.Context, option: str) -> str:
    """Where the value of an option was given: the environment's name or the file, empty for the command line."""
    source = ctx.get_parameter_source(option)
    if source is ParameterSource.ENVIRONMENT:
        return next(str(one.envvar) for one in ctx.command.params if one.name == option)
    return f"{ctx.meta[_META]}" if source is ParameterSource.DEFAULT_MAP and _META in ctx.meta else ""


def _options(command: click.Command) -> dict[str, click.Option]:
    """Options that do something, by their long names."""
    options = [one for one in command.params if isinstance(one, click.Option) and one.expose_value]
    return {max(one.opts, key=len).lstrip("-"): one for one in options}


def _defaults(path: Path, command: click.Command, own: Mapping[str, object]) -> dict[str, object]:
    """Values as click wants them, by the names of its parameters."""
    options, where = _options(command), f"{path}: [{_TABLE}.{command.name}]"
    defaults: dict[str, object] = {}
    for key, value in own.items():
        option = options.get(key)
        if option is None:
            raise UsageError(f"{where} has {key}, which is no option{nearest(key, options)}")
        defaults[str(option.name)] = _value(option, value, f"{where} {key}", path.parent)
    return defaults


def _value(option: click.Option, value: object, where: str, folder: Path) -> object:
    if isinstance(value, Mapping) and isinstance(option.type, TableOption):
        return option.type.from_table(value, where)
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{where} = {value!r}: write true or false")
        return value
    values = value if option.multiple and isinstance(value, list) else [value]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in values):
        shape = "text, a number, or a list of these" if option.multiple else "text or a number"
        raise UsageError(f"{where} = {value!r}: write {shape}")
    words = [_word(option, str(one), folder) for one in values]
    return words if option.multiple else words[0]


def _word(option: click.Option, word: str, folder: Path) -> str:
    """As on the command line; paths count from the file's folder."""
    return str(folder / word) if isinstance(option.type, click.Path | TableOption) else word
