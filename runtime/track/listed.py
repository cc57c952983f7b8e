"""Inputs from a file: many of them, or addresses with passwords, which a command line shows to every user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from stc.boundary import foreign
from stc.errors import InputError

MARK = "@"
LARGEST = 1 << 20  # bytes; more is no list that somebody wrote


def listed(inputs: Sequence[str]) -> list[str]:
    """`inputs`, with the lines of FILE in place of each @FILE; blank lines and those that begin with # are left out.

    Paths in it are relative to the working directory, as on the command line. What exists under its whole name, @
    included, is that file. Raises InputError for a FILE that cannot be read as a list.
    """
    return [line for spec in inputs for line in _lines(spec)]


def only(spec: str) -> str:
    """`spec`, or the one line of @FILE. Raises InputError as `listed`, and for more lines."""
    first, *more = listed([spec])
    if more:
        raise InputError(f"{spec}: holds {1 + len(more)} lines; give a file with one")
    return first


def _lines(spec: str) -> Iterator[str]:
    if not spec.startswith(MARK) or Path(spec).exists():
        yield spec
        return
    path = Path(spec.removeprefix(MARK))
    if path.exists() and (not path.is_file() or path.stat().st_size > LARGEST):
        raise InputError(f"{spec}: no list of inputs; give a file with a video, folder or address on each line")
    with foreign("Python", spec, f"check it with: ls -l {path}"):
        text = path.read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError(f"{spec}: holds no inputs; give a file with a video, folder or address on each line")
    yield from found
