"""A command's options: made of groups of settings, read from the command line and from YAML.

jsonargparse, a subclass of argparse, brings --config, --print_config and the types of what stands in YAML.
"""

from __future__ import annotations

import os
import re
import sys
from argparse import SUPPRESS, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from typing import (
    Any,
    NoReturn,
    TypeVar,
    cast,
    get_type_hints,
)

from jsonargparse import (  # type: ignore[attr-defined]
    ActionConfigFile,
    ActionYesNo,
    ArgumentParser,
    DefaultHelpFormatter,
)

from ama.console.yaml_file import read_mapping
from ama.errors import UserError
from ama.settings.base import Option, Settings, options_of, record_of
from ama.settings.values import BOOLEANS, Shape, choices_of, plain, reader, shape_of

_Group = TypeVar("_Group", bound=Settings)


class Chosen:
    """The settings of one run of a command, group by group."""

    def __init__(self, groups: Sequence[Settings]) -> None:
        """Take the groups, in the command's order."""
        self._groups = {type(group): group for group in groups}

    def __getitem__(self, kind: type[_Group]) -> _Group:
        """Return the group of a kind."""
        return cast("_Group", self._groups[kind])

    def record(self) -> dict[str, Any]:
        """Return every setting by name, resolved, as JSON can hold it."""
        return record_of(self._groups.values())


class Command:
    """The command line of `python -m ama.<name>`.

    Attributes:
        name: of the module.
        description: for --help.
        groups: the settings, each as a class, or as an instance whose values are the defaults.
    """

    def __init__(self, name: str, description: str, *groups: type[Settings] | Settings) -> None:
        """Name the command, describe it and say which settings it has."""
        self.name, self.description, self.groups = name, description, groups

    def parse(self, words: Sequence[str] | None = None) -> Chosen:
        """Read a command line, by default that of this process.

        Raises:
            UserError: an unknown option, a missing one, or a value of the wrong type or out of range.
        """
        found = self.parser.parse_args(None if words is None else list(words))
        kinds = [_kind(group) for group in self.groups]
        return Chosen([kind(**{one.name: found[one.name] for one in fields(kind)}) for kind in kinds])

    @property
    def parser(self) -> _Parser:
        """The parser of this command's options."""
        by_name = f"ama {self.name}"
        parser = _Parser(
            prog=by_name if sys.argv[0] == by_name else f"python -m ama.{self.name}",
            description=self.description,
            formatter_class=_Formatter,
            allow_abbrev=False,
            fromfile_prefix_chars="@",
            print_config="--print_config",
        )
        for group in self.groups:
            kind, types = _kind(group), get_type_hints(_kind(group))
            title = (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")
            section = parser.add_argument_group(title)
            for one in fields(kind):
                assert one.name not in parser.known, f"ama.{self.name} has two settings '{one.name}'"
                spec = parser.known[one.name] = options_of(kind)[one.name]
                shape = parser.shapes[one.name] = shape_of(types[one.name])
                default = one.default if isinstance(group, type) else getattr(group, one.name)
                _add(section, one.name, shape, default, spec)
        help_text = "YAML file with settings by name; what stands behind it on the command line wins"
        parser.add_argument("--config", action=_ConfigFile, metavar="FILE", help=help_text)
        # Its own help tells of flags that say nothing to our users.
        print_config = parser._option_string_actions["--print_config"]
        print_config.help = "print all settings as YAML, as --config reads them, and exit"
        print_config.metavar = ""
        return parser


class _Parser(ArgumentParser):
    """jsonargparse's parser; every mistake is a UserError of one line that names the nearest right option."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.known: dict[str, Option] = {}
        self.shapes: dict[str, Shape] = {}

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if isinstance(ex, UserError):
            raise ex
        raise UserError(f"{self.in_words(message)} (see {self.prog} --help)")

    def in_words(self, message: str) -> str:
        """Return what jsonargparse or argparse complains of in our words, on one line."""
        text = " ".join(message.split())
        if match := re.match(r"unrecognized arguments: (\S+)", text):
            word = match[1].partition("=")[0]
            if not word.startswith("-"):
                return f"'{word}' belongs to no option"
            return f"there is no option {word}{self._nearest(word.lstrip('-'), '--')}"
        if match := re.fullmatch(r"the following arguments are required: (.+)", text):
            missing = [self._shown(name) for name in match[1].split(", ")]
            return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        if match := re.match(r'Parser key "([^"]+)": (.*)', text):
            reason = "give a list" if "item assignment" in match[2] else match[2]
            return f"--{match[1]}: {reason}"
        if match := re.match(r"\[Errno \d+\] (.*): '(.*)'", text):
            return f"@{match[2]}: {match[1]}"
        return text.removeprefix("argument ")

    def check_content(self, content: Mapping[Any, Any]) -> None:
        """Raise UserError if a name in a YAML file is that of no setting, or its value has another form."""
        for name, value in content.items():
            if name not in self.known:
                raise UserError(f"there is no setting '{name}'{self._nearest(str(name), '')}")
            kind, depth, optional = self.shapes[name]
            if value is None and not optional:
                raise UserError(f"{name} has no value: give one, or leave the line out")
            if value is None:
                continue
            found, level = [value], 0
            while level < depth and all(isinstance(one, list) for one in found):
                found, level = [item for one in found for item in one], level + 1
            if level < depth:
                raise UserError(f"{name} is '{value}': give a list{' of lists' * (depth - 1)}")
            if kind is bool and not isinstance(value, bool):
                raise UserError(f"{name} is '{value}': give true or false")

    def _shown(self, name: str) -> str:
        spec = self.known.get(name)
        return str(spec.metavar or name) if spec and spec.positional else f"--{name}"

    def _nearest(self, name: str, dashes: str) -> str:
        owners = {other: own for own, spec in self.known.items() for other in (own, *spec.aliases)}
        found = get_close_matches(name, owners, 1)
        return f": did you mean {dashes}{owners[found[0]]}?" if found else ""


class _ConfigFile(ActionConfigFile):
    """Read settings from YAML; an error says in which file."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        try:
            parser.check_content(read_mapping(Path(values).expanduser(), _NO_SETTINGS))
            super().__call__(parser, cfg, values, option_string)  # type: ignore[no-untyped-call]
        except UserError as error:
            raise UserError(f"--config {values}: {error}") from error
        except Exception as error:
            raise UserError(f"--config {values}: {parser.in_words(str(error))}") from error


_NO_SETTINGS = "holds no settings: write a line such as 'seed: 0' for each"
_METAVARS = {int: "N", float: "X", Path: "PATH"}


class _Formatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """The description's own line breaks, and each option's default where it has one."""

    def _get_help_string(self, action: Any) -> str:
        text = action.help or ""
        unset = action.default in (None, "", [], SUPPRESS) or action.default is False
        if unset or action.required or not action.option_strings:
            return str(text)
        default = " ".join(map(str, action.default)) if isinstance(action.default, list) else action.default
        return f"{text} (default: {default})"


def _add(section: Any, name: str, shape: Shape, default: Any, spec: Option) -> None:
    """Add one option to a parser's group."""
    flags = [name] if spec.positional else [f"--{other}" for other in (name, *spec.aliases)]
    text = spec.help
    if spec.environment:
        text += f"; {spec.environment} in the environment does the same"
        default = os.environ.get(spec.environment) or default
    keywords: dict[str, Any] = {"help": SUPPRESS if spec.hidden else text}
    if default is not MISSING:
        keywords["default"] = plain(default)
    elif not spec.positional:
        keywords["required"] = True
    if shape.kind is bool and default is False:
        section.add_argument(*flags, action=ActionYesNo(yes_prefix="", no_prefix="no_"), **keywords)
        return
    choices = [*BOOLEANS] if shape.kind is bool else choices_of(shape.kind)
    metavar = spec.metavar or (f"{{{','.join(choices)}}}" if choices else _METAVARS.get(shape.kind))
    if spec.metavar or (metavar and not spec.positional):
        keywords["metavar"] = metavar
    inner = shape.depth - spec.repeated
    if spec.repeated:
        keywords["action"] = "append"
    if inner:
        keywords["nargs"] = "*" if spec.positional and default is not MISSING else "+"
    read = reader(shape.kind, shape.depth if spec.repeated else 0)
    section.add_argument(*flags, type=read, **keywords)


def _kind(group: type[Settings] | Settings) -> type[Settings]:
    return group if isinstance(group, type) else type(group)
