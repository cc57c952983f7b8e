"""Tables and sentences for a terminal of any width: columns are left out, sentences wrap, and no number is cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

GAP = 2  # spaces between columns
HANG = 2  # before what continues a line
UNITS = "ms|s|MiB|px|FPS|frames|%|cells"
_WORD = re.compile(rf"\S+(?:(?<=[\d\])]) (?:{UNITS})(?=[\s,;.:)\]]|$)\S*)?")  # a number and its unit stay together


@dataclass(frozen=True)
class Column:
    """A title and a cell per row. drop: in which turn the column goes where all do not fit, from 1; 0: never."""

    title: str
    cells: Sequence[str]
    drop: int = 0


def show(lines: Callable[[int | None], Sequence[str]], to: TextIO | None = None) -> None:
    """Print what `lines` gives for the width of the terminal, or for None, where `to` (None: stdout) is none."""
    from rich.console import Console

    console = Console(file=to)
    width = console.width if console.is_terminal else None
    console.print("\n".join(lines(width)), markup=False, highlight=False, soft_wrap=True)


def all_wrapped(texts: Sequence[str], width: int | None) -> list[str]:
    """`wrapped`, of each of them."""
    return [line for text in texts for line in wrapped(text, width)]


def wrapped(text: str, width: int | None, indent: int = 0) -> list[str]:
    """`text` in lines of at most `width` cells; None: one line. Only a word that is wider than a line is broken."""
    from rich.cells import cell_len, chop_cells

    first, further = " " * indent, " " * (indent + HANG)
    if width is None:
        return [first + text]
    lines, line = [], first
    for whole in _WORD.findall(text):
        room = max(1, width - len(further))
        for word in [whole] if cell_len(whole) <= room else chop_cells(whole, room):
            joined = f"{line} {word}" if line.strip() else line + word
            if line.strip() and cell_len(joined) > width:
                lines.append(line)
                joined = further + word
            line = joined
    return [*lines, line]


def table(columns: Sequence[Column], width: int | None) -> list[str]:
    """The columns side by side, the first to the left and numbers to the right, in lines of at most `width` cells.

    Where they do not fit, columns go in the order of `drop`. Where those that stay do not fit either, every row is a
    list: what the first column says, and a line for each number.
    """
    kept = list(columns)
    while width is not None and _width(kept) > width:
        droppable = [column for column in kept if column.drop]
        if not droppable:
            return _listed(kept, width)
        kept.remove(min(droppable, key=lambda column: column.drop))
    rows = zip(*([column.title, *column.cells] for column in kept), strict=True)
    widths = [_widest(column) for column in kept]
    return [
        (" " * GAP).join(
            _padded(cell, size, left=not i) for i, (cell, size) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _listed(columns: Sequence[Column], width: int) -> list[str]:
    names, *numbers = columns
    lines = []
    for row, name in enumerate(names.cells):
        lines += wrapped(name, width)
        for column in numbers:
            lines += wrapped(f"{column.title} {column.cells[row]}", width, HANG)
    return lines


def _width(columns: Sequence[Column]) -> int:
    return sum(map(_widest, columns)) + GAP * (len(columns) - 1)


def _widest(column: Column) -> int:
    from rich.cells import cell_len

    return max(cell_len(text) for text in (column.title, *column.cells))


def _padded(cell: str, size: int, *, left: bool) -> str:
    from rich.cells import cell_len

    space = " " * (size - cell_len(cell))
    return cell + space if left else space + cell
