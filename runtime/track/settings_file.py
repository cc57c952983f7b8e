"""`--config gate.toml`: the command line of what runs for months, in a file that others may not read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stc.boundary import foreign
from stc.cli import Parser, meant_by
from stc.errors import InputError
from stc.json_values import shown, text
from stc.runtime.track.listed import LARGEST, MARK

INPUTS = "inputs"
OPTION = "config"
LARGEST_NUMBER = 1 << 63  # as TOML has it; Python would read more, and could not print it
COMMA_LISTS = ("classes",)  # options that take A,B; here an array too
PORTS = ("metrics", "serve")  # options that take a port, alone or behind a host: here a number too
_FIX = 'a line is: model = "model-fp16" (docs/pipelines.md has a whole file)'
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "an array",
    dict: "a table",
}


def parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """What `argv` says, and where it is silent the file of its `--config`; inputs of `argv` replace those of the file.

    A key is the long name of an option, without its dashes; `inputs` is a text or an array of texts. Relative paths are
    relative to the folder of the file. Raises InputError, which names file and key, for a file that is no TOML, an
    unknown key and a value that does not fit; no text of a URL's user, password or query is in it.
    """
    arguments = parser.parse_args(argv)
    if arguments.config is None:
        return arguments
    path: Path = arguments.config
    values = _read(path)
    inputs = [_placed_input(spec, path.parent) for spec in _inputs(path, values.pop(INPUTS, []))]
    words = list(_words(parser, path, values))
    arguments = parser.parse_args([*words, *argv])  # of two, argparse takes the last
    arguments.input = arguments.input or inputs
    return arguments


def _read(path: Path) -> dict[str, Any]:
    if path.exists() and (not path.is_file() or path.stat().st_size > LARGEST):
        raise InputError(f"{path}: no file of settings; {_FIX}")
    with foreign("Python", path, f"check it with: ls -l {path}"):
        content = path.read_text(encoding="utf-8-sig")
    with foreign("TOML", path, _FIX):
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        return tomllib.loads(content)


def _inputs(path: Path, value: Any) -> list[str]:
    """Cameras may be numbers."""
    specs = [str(spec) if type(spec) is int and 0 <= spec < LARGEST_NUMBER else spec for spec in _listed(value)]
    return [_text(path, INPUTS, spec) for spec in specs]


def _words(parser: Parser, path: Path, values: dict[str, Any]) -> Iterator[str]:
    """Each setting as a word of a command line, tried alone so that the message names its key."""
    options = {name: option for name, option in parser.long_options().items() if name != OPTION}
    for key, value in values.items():
        if key not in options:
            named = shown(_safe(key))
            raise InputError(
                f"{path}: {named} is no setting{meant_by(key, [INPUTS, *options])}; see: {parser.prog} --help"
            )
        word = _word(path, key, value, options[key])
        if word == f"--no-{key}" and word not in options[key].option_strings:
            continue  # it is off where nobody asks for it
        try:
            parser.parse_args([word])
        except InputError as error:
            raise InputError(f"{path}: {key}: {_safe(str(error))}") from None
        yield word


def _word(path: Path, key: str, value: Any, option: argparse.Action) -> str:
    if option.nargs == 0:
        return f"--{key}" if _of_kind(path, key, value, bool) else f"--no-{key}"
    if option.type in (int, float):
        return f"--{key}={_of_kind(path, key, value, option.type)}"
    if key in COMMA_LISTS:
        return f"--{key}={','.join(_text(path, key, part) for part in _listed(value))}"
    if key in PORTS and type(value) is int:
        return f"--{key}={_of_kind(path, key, value, int)}"
    given = _text(path, key, value)
    return f"--{key}={_placed(given, path.parent) if option.type is Path or key == 'model' else given}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _of_kind(path: Path, key: str, value: Any, kind: type) -> Any:
    if type(value) is int and abs(value) >= LARGEST_NUMBER:
        raise InputError(f"{path}: {key}: found a number beyond 64 bits")
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    found = _KINDS.get(type(value), "a date or time")
    if isinstance(value, bool):
        found = str(value).lower()
    elif isinstance(value, (int, float, str)):
        found += f" {shown(_safe(value) if isinstance(value, str) else value)}"
    raise InputError(f"{path}: {key}: found {found}, where {_KINDS[kind]} belongs")


def _text(path: Path, key: str, value: Any) -> str:
    given = text(_of_kind(path, key, value, str))
    if given is None:
        raise InputError(f"{path}: {key}: found {shown(_safe(value))}, where text belongs that can name something")
    return given


def _placed(name: str, folder: Path) -> str:
    return name if name == "-" or "://" in name else str(folder / name)


def _placed_input(spec: str, folder: Path) -> str:
    from stc.runtime.video.sources import is_live

    if is_live(spec):
        return spec
    if spec.startswith(MARK) and not (folder / spec).exists():
        return MARK + str(folder / spec.removeprefix(MARK))
    return _placed(spec, folder)


def _safe(words: str) -> str:
    """Without what lets somebody in."""
    from stc.runtime.video.shown import shown_spec

    return shown_spec(words)
