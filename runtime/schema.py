"""What values from a file may be: types and ranges, field by field, and in words what is wrong with those that differ.

A table of a record's fields says what each must be; `problems` holds values against it. That of a data class is in its
annotations: `table`. Numbers may be NumPy's, and a bool is no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

Kind = Callable[[Any, str], Iterator[str]]  # value, its name -> what is wrong with it
Table = Mapping[str, Kind]

SHOWN = 60  # letters of a value in a message
SOME = 5  # problems in a message


def problems(values: Mapping[str, Any], table: Table, path: str = "") -> list[str]:
    """What is wrong with the fields of `values` that `table` knows; others may be anything."""
    return [problem for name, kind in table.items() if name in values for problem in kind(values[name], path + name)]


def table(record: type) -> Table:
    """Of a data class: fields annotated as `Annotated[type, kind]`, Literal or bool; others may be anything."""
    kinds = {name: _annotated(hint) for name, hint in get_type_hints(record, include_extras=True).items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def known(record: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are fields of a data class, lists as tuples: a later version may have written more."""
    names = {field.name for field in fields(record)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in names}


def sentence(found: Sequence[str]) -> str:
    """The first problems, and how many more there are."""
    more = f" and {len(found) - SOME} more" if len(found) > SOME else ""
    return "; ".join(found[:SOME]) + more


def integer(least: int, most: int) -> Kind:
    words = f"an integer from {least} to {most}"
    return _plain(words, lambda value: _is_number(value, Integral) and least <= value <= most)


def number(least: float, most: float = math.inf, *, above: bool = False) -> Kind:
    """above: `least` itself is out of range."""
    if above:
        words = f"a number above {least:g} and up to {most:g}"
    else:
        words = f"a number from {least:g}" + (f" to {most:g}" if most < math.inf else "")

    def fits(value: Any) -> bool:
        try:
            measure = float(value) if _is_number(value, Real) else math.nan
        except OverflowError:  # an integer beyond all floats
            return False
        return least <= measure <= most and not (above and measure == least)

    return _plain(words, fits)


def text(longest: int) -> Kind:
    return _plain(f"text of at most {longest} letters", lambda value: isinstance(value, str) and len(value) <= longest)


def flag() -> Kind:
    return _plain("true or false", lambda value: isinstance(value, bool))


def choice(*allowed: str) -> Kind:
    return _plain(f"one of {', '.join(allowed)}", lambda value: isinstance(value, str) and value in allowed)


def file_name() -> Kind:
    """A name within a folder, that leads nowhere else."""
    return _plain("a file's name without its folder", _is_file_name)


def sha256() -> Kind:
    hexadecimal = frozenset("0123456789abcdef")
    words = "a SHA-256, 64 hexadecimal digits"
    return _plain(words, lambda value: isinstance(value, str) and len(value) == 64 and set(value) <= hexadecimal)


def anything() -> Kind:
    return lambda value, path: iter(())


def optional(kind: Kind) -> Kind:
    return lambda value, path: iter(()) if value is None else kind(value, path)


def items(kind: Kind, least: int, most: int) -> Kind:
    """A list of `least` to `most` of `kind`."""
    count = str(least) if least == most else f"{least} to {most}"

    def wrong(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list | tuple) or not least <= len(value) <= most:
            yield f"{path}: must be a list of {count}; got {shown(value)}"
        else:
            for index, item in enumerate(value):
                yield from kind(item, f"{path}[{index}]")

    return wrong


def mapping(kind: Kind, most: int = 1000) -> Kind:
    """At most `most` names, each with a value of `kind`."""

    def wrong(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping) or len(value) > most or not all(isinstance(name, str) for name in value):
            yield f"{path}: must be a mapping of at most {most} names; got {shown(value)}"
        else:
            for name, item in value.items():
                yield from kind(item, f"{path}.{name[:SHOWN]}")

    return wrong


def record(table: Table, required: Sequence[str] = (), *, or_empty: bool = False) -> Kind:
    """A mapping whose known fields are as `table` says, with all of `required`. or_empty: or with no field at all."""

    def wrong(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path}: must be a mapping of names to values; got {shown(value)}"
        elif value or not or_empty:
            yield from (f"{path}.{name}: missing" for name in required if name not in value)
            yield from problems(value, table, f"{path}.")

    return wrong


def shown(value: Any) -> str:
    """What was found, as one short line."""
    if isinstance(value, Mapping | list | tuple | set):
        return f"a {type(value).__name__} of {len(value)}"
    try:
        words = repr(value)
    except Exception:  # an integer of more digits than Python prints, or whatever an object's own repr raises
        return f"a {type(value).__name__}"
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}…"


def _plain(words: str, fits: Callable[[Any], bool]) -> Kind:
    def wrong(value: Any, path: str) -> Iterator[str]:
        if not fits(value):
            yield f"{path}: must be {words}; got {shown(value)}"

    return wrong


def _annotated(hint: Any) -> Kind | None:
    if get_origin(hint) is Annotated:
        return next((kind for kind in hint.__metadata__ if callable(kind)), None)
    if get_origin(hint) is Literal:
        return choice(*get_args(hint))
    if hint is bool:
        return flag()
    alternatives = [each for each in get_args(hint) if each is not type(None)]
    inner = _annotated(alternatives[0]) if len(alternatives) == 1 and type(None) in get_args(hint) else None
    return None if inner is None else optional(inner)


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_file_name(value: Any) -> bool:
    return (
        isinstance(value, str) and 0 < len(value) <= 255 and not set(value) & set("/\\\0") and value not in (".", "..")
    )
