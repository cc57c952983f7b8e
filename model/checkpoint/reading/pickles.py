"""The content of a pickle without letting the pickle call anything.

A pickle is a program. This machine runs its instructions on plain containers, texts and numbers only. Every name that
the program asks for is looked up in a table of stand-ins of our own, never imported: the few names that arrays and
dictionaries are pickled with rebuild them, any other name becomes a `Foreign`, an inert mark that remembers the name.
So a training log, a configuration or an optimiser beside the weights needs no code of the framework that wrote it,
and a hostile name does nothing. What a file declares allocates nothing: an array exists only once as many bytes as
its shape needs were in the file, and the number of instructions and of re-encoded bytes is bounded.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from stc.model.checkpoint.reading.stand_ins import STAND_INS, Array, Dtype, Foreign, Names, set_item

MAX_INSTRUCTIONS = 2_000_000  # R-101 with its optimiser has about 100,000

_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: Foreign("builtins", "set"),
}


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """The file in memory, for `load`: unlike an open file it takes no memory for more bytes than it has."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def load(
    stream: IO[bytes] | mmap.mmap, names: Names = STAND_INS, persistent: Callable[[Any], Any] | None = None
) -> object:
    """What the pickle at the position of `stream` holds, and leave `stream` behind it.

    The result is made of dict, list, tuple, texts, bytes, numbers, `Array`, `Foreign`, and what the stand-ins in
    `names` and `persistent` (the pickle's references to things outside of it) return. Raises UnpicklingError, or nearly
    anything, for a damaged pickle.
    """
    return _Machine(names, persistent).run(stream)


class _Machine:
    def __init__(self, names: Names, persistent: Callable[[Any], Any] | None) -> None:
        self.names = {**names, ("_codecs", "encode"): self._encode}
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # the stacks below the marks
        self.memo: dict[int, Any] = {}
        self.allowance = 0  # bytes that may still be re-encoded: as many as were read

    def run(self, stream: IO[bytes] | mmap.mmap) -> object:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], stream))):
            name = instruction.name
            if count >= MAX_INSTRUCTIONS:
                raise pickle.UnpicklingError(f"more than {MAX_INSTRUCTIONS:,} instructions")
            if name in _LITERALS:
                if isinstance(argument, str):
                    self.allowance += len(argument)
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name]())
            elif name == "STOP":
                return self.stack.pop()
            elif name not in ("PROTO", "FRAME"):
                step = getattr(self, f"_{name.lower()}", None)
                if step is None:
                    raise pickle.UnpicklingError(f"the instruction {name}, which weights do not need")
                step(argument)
        raise pickle.UnpicklingError("no end")

    def _encode(self, text: str, encoding: str) -> bytes:
        """Stand-in for `_codecs.encode`: how Python 3 writes bytes into protocol 2."""
        self.allowance -= len(text)
        if encoding != "latin1" or self.allowance < 0:
            raise pickle.UnpicklingError(f"bytes encoded as {encoding!r:.20}, or the same ones again and again")
        return text.encode("latin1")

    def _above_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def _mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._above_mark()

    def _pop_mark(self, _: Any) -> None:
        self._above_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    _binput = _long_binput = _put
    _binget = _long_binget = _get

    def _tuple(self, _: Any) -> None:
        items = self._above_mark()
        self.stack.append(tuple(items))

    def _last(self, count: int) -> tuple[Any, ...]:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise pickle.UnpicklingError("a tuple of more than there is")
        del self.stack[-count:]
        return items

    def _tuple1(self, _: Any) -> None:
        self.stack.append(self._last(1))

    def _tuple2(self, _: Any) -> None:
        self.stack.append(self._last(2))

    def _tuple3(self, _: Any) -> None:
        self.stack.append(self._last(3))

    def _list(self, _: Any) -> None:
        items = self._above_mark()
        self.stack.append(items)

    def _append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._above_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)

    def _additems(self, _: Any) -> None:
        self._above_mark()

    def _frozenset(self, _: Any) -> None:
        self._above_mark()
        self.stack.append(Foreign("builtins", "frozenset"))

    def _dict(self, _: Any) -> None:
        items = self._above_mark()
        self.stack.append({})
        self._update(items)

    def _setitem(self, _: Any) -> None:
        self._update(list(self._last(2)))

    def _setitems(self, _: Any) -> None:
        self._update(self._above_mark())

    def _update(self, items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            set_item(self.stack[-1], key, value)

    def _find(self, module: Any, name: Any) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            raise pickle.UnpicklingError("a name that is no text")
        return self.names.get((module, name)) or Foreign(module, name)

    def _global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self.stack.append(self._find(module, name))

    def _stack_global(self, _: Any) -> None:
        self.stack.append(self._find(*self._last(2)))

    def _reduce(self, _: Any) -> None:
        function, arguments = self._last(2)
        if isinstance(function, Foreign):
            self.stack.append(function)
        elif callable(function) and isinstance(arguments, tuple):  # a stand-in: nothing else is callable
            self.stack.append(function(*arguments))
        else:
            raise pickle.UnpicklingError("a call of something that is no function")

    def _newobj(self, _: Any) -> None:
        kind, _ = self._last(2)
        self._object(kind)

    def _newobj_ex(self, _: Any) -> None:
        kind, _, _ = self._last(3)
        self._object(kind)

    def _obj(self, _: Any) -> None:
        self._object(self._above_mark()[0])

    def _inst(self, names: str) -> None:
        self._above_mark()
        self.stack.append(Foreign(*names.partition(" ")[::2]))

    def _object(self, kind: Any) -> None:
        self.stack.append(kind if isinstance(kind, Foreign) else Foreign("builtins", "object"))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Array | Dtype):
            self.stack[-1].set_state(state)

    def _binpersid(self, _: Any) -> None:
        self._persid(self.stack.pop())

    def _persid(self, reference: Any) -> None:
        if self.persistent is None:
            raise pickle.UnpicklingError("a reference to something outside of the pickle")
        self.stack.append(self.persistent(reference))
