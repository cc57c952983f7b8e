"""The progress bars of every command: on stderr, silent where that is no terminal, gone when the work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def bars() -> Progress:
    """A context manager that shows a line per task; descriptions are markup of rich."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), TimeElapsedColumn(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Yield a function that advances the bar, by one or by a count. total: None where nobody knows."""
    from rich.markup import escape

    with bars() as progress:
        task = progress.add_task(escape(title), total=total)

        def advance(count: int = 1) -> None:
            progress.advance(task, count)

        yield advance
