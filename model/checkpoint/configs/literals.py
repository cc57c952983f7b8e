"""Python text of assignments, as mmengine writes a config, read as what it says and never run.

A grammar of our own with a limit on depth: `ast` may overflow the interpreter's stack on hostile text.
"""

from __future__ import annotations

import io
import tokenize
from ast import literal_eval
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any

MAX_LETTERS = 1 << 18  # mmdetection's own have 20,000
MAX_DEPTH = 60
_CONSTANTS: dict[str, Any] = {"True": True, "False": False, "None": None}
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SILENT = (tokenize.COMMENT, tokenize.NL)


class Unknown:
    """Stands where the text computes something: a call, an operation, a name that it does not assign."""


def assignments(text: str) -> dict[str, Any]:
    """What `text` assigns at its top level: texts, numbers, truth values, None, lists, tuples, and dictionaries,
    written as displays or as `dict(...)`; `Unknown` for all else.

    Raises ValueError for what is no Python text, is longer than 262,144 letters or nests deeper than 60.
    """
    if len(text) > MAX_LETTERS:
        raise ValueError(f"more than {MAX_LETTERS:,} letters")
    try:
        tokens = [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type not in _SILENT]
    except (tokenize.TokenError, SyntaxError) as error:  # an IndentationError is one
        raise ValueError(f"no Python text: {error.args[0]}") from error
    found: dict[str, Any] = {}
    depth, start = 0, 0
    for index, token in enumerate(tokens):
        depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            start = index + 1
        elif token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            statement = tokens[start:index]
            start = index + 1
            if depth == 0 and [t.type for t in statement[:1]] == [tokenize.NAME] and _texts(statement)[1:2] == ["="]:
                found[statement[0].string] = _Reader(statement[2:], ChainMap(_CONSTANTS, found)).whole()
    return found


def value(text: str) -> Any:
    """The one value that `text` writes, such as "(800, 1333)"; `text` itself where it is none."""
    try:
        found = assignments(f"value = {text}\n").get("value", Unknown)
    except ValueError:
        return text
    return text if isinstance(found, Unknown) else found


def _texts(tokens: list[tokenize.TokenInfo]) -> list[str]:
    return [token.string for token in tokens]


class _NoValueError(Exception):
    pass


class _Reader:
    """Reads one value from the start of `tokens`. `names`: what was assigned before."""

    def __init__(self, tokens: list[tokenize.TokenInfo], names: Mapping[str, Any]) -> None:
        self.tokens = tokens
        self.names = names
        self.at = 0

    def whole(self) -> Any:
        try:
            found = self._value(0)
        except _NoValueError:
            return Unknown()
        return found if self.at == len(self.tokens) else Unknown()

    @property
    def _next(self) -> str:
        return self.tokens[self.at].string if self.at < len(self.tokens) else ""

    def _took(self, text: str) -> bool:
        if self._next == text:
            self.at += 1
            return True
        return False

    def _value(self, depth: int) -> Any:
        """An `Unknown` inside a container does not spoil the rest of it."""
        if depth > MAX_DEPTH:
            raise ValueError(f"nests deeper than {MAX_DEPTH}")
        start = self.at
        try:
            found = self._plain(depth)
            if self._next in {"", ",", ")", "]", "}", ":"}:
                return found
        except _NoValueError:
            pass
        self.at = start
        self._skip()
        return Unknown()

    def _skip(self) -> None:
        """To the end of the item: brackets within it are passed over."""
        open_brackets = 0
        while self.at < len(self.tokens):
            text = self._next
            if not open_brackets and text in {",", ")", "]", "}"}:
                return
            open_brackets += (text in _CLOSING) - (text in _CLOSING.values())
            self.at += 1

    def _plain(self, depth: int) -> Any:
        if self.at == len(self.tokens):
            raise _NoValueError
        token = self.tokens[self.at]
        self.at += 1
        found: Any
        if token.type == tokenize.STRING:
            found = self._text(token.string)
        elif token.type == tokenize.NUMBER:
            found = _number(token.string)
        elif token.string == "-" and self.at < len(self.tokens) and self.tokens[self.at].type == tokenize.NUMBER:
            self.at += 1
            found = -_number(self.tokens[self.at - 1].string)
        elif token.string == "dict" and self._took("("):
            found = self._items(depth, ")", self._argument)
        elif token.string == "{":
            found = self._items(depth, "}", self._pair)
        elif token.string in {"(", "["}:
            found = self._sequence(depth, token.string)
        elif token.type == tokenize.NAME and token.string in self.names:
            found = self.names[token.string]
        else:
            raise _NoValueError
        return found

    def _text(self, first: str) -> Any:
        parts = [first]
        while self.at < len(self.tokens) and self.tokens[self.at].type == tokenize.STRING:
            parts.append(self._next)
            self.at += 1
        try:
            return "".join(literal_eval(part) for part in parts)  # one string token each
        except (ValueError, TypeError, SyntaxError):  # bytes, or formatted
            raise _NoValueError from None

    def _sequence(self, depth: int, opening: str) -> Any:
        items: list[Any] = []
        comma = False
        while not self._took(_CLOSING[opening]):
            items.append(self._value(depth + 1))
            comma = self._took(",")
            if not comma and self._next != _CLOSING[opening]:
                raise _NoValueError
        if opening == "[":
            return items
        return items[0] if len(items) == 1 and not comma else tuple(items)

    def _items(self, depth: int, closing: str, read: Callable[[int], dict[Any, Any]]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while not self._took(closing):
            if self._took("**"):
                inner = self._value(depth + 1)
                found |= inner if isinstance(inner, dict) else {}
            else:
                found |= read(depth)
            if not self._took(",") and self._next != closing:
                raise _NoValueError
        return found

    def _argument(self, depth: int) -> dict[Any, Any]:
        name = self._next
        self.at += 1
        if not self._took("="):
            raise _NoValueError
        return {name: self._value(depth + 1)}

    def _pair(self, depth: int) -> dict[Any, Any]:
        key = self._value(depth + 1)
        if not self._took(":"):
            raise _NoValueError
        found = self._value(depth + 1)
        return {key: found} if isinstance(key, str | int) else {}


def _number(text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:  # complex, or an integer of more digits than Python reads
        raise _NoValueError from None
