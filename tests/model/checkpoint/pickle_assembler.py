"""Pickles of anything: also what Python's own pickler would not write, such as calls of names that do not exist."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Name:
    module: str
    name: str


@dataclass(frozen=True, eq=False)
class Call:
    function: Any
    arguments: Any


@dataclass(frozen=True, eq=False)
class Build:
    instance: Any
    state: Any


@dataclass(frozen=True, eq=False)
class New:
    kind: Any
    arguments: Any


@dataclass(frozen=True, eq=False)
class Persistent:
    reference: Any


@dataclass(frozen=True, eq=False)
class Raw:
    """Instructions as they are."""

    content: bytes


@dataclass(frozen=True, eq=False)
class Pairs:
    """A dictionary that may have a key twice, or keys that cannot be hashed."""

    items: tuple[tuple[Any, Any], ...]


def assemble(value: object) -> bytes:
    return b"\x80\x02" + _put(value) + b"."


def _put(value: Any) -> bytes:  # noqa: PLR0911, PLR0912
    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            if -(2**31) <= value < 2**31:
                return b"J" + struct.pack("<i", value)
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8b" + struct.pack("<i", len(content)) + content
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            content = value.encode("utf-8", "surrogatepass")
            return b"X" + struct.pack("<I", len(content)) + content
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(_put, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_put, value)) + b"e"
        case dict():
            return b"}(" + b"".join(_put(key) + _put(item) for key, item in value.items()) + b"u"
        case Pairs():
            return b"}(" + b"".join(_put(key) + _put(item) for key, item in value.items) + b"u"
        case Name():
            return f"c{value.module}\n{value.name}\n".encode()
        case Call():
            return _put(value.function) + _put(value.arguments) + b"R"
        case New():
            return _put(value.kind) + _put(value.arguments) + b"\x81"
        case Build():
            return _put(value.instance) + _put(value.state) + b"b"
        case Persistent():
            return _put(value.reference) + b"Q"
        case Raw():
            return value.content
    raise TypeError(type(value))
