"""Where results go when nobody says it: runs/track-1, then runs/track-2 and so on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stc.boundary import reason
from stc.errors import InputError

PARENT = Path("runs")


@contextmanager
def new_run_folder() -> Iterator[Path]:
    """A folder that no other command has, made at once; removed at the end where nothing was written into it.

    Raises InputError where it cannot be made.
    """
    try:
        PARENT.mkdir(exist_ok=True)
        folder = _made()
    except OSError as error:
        raise InputError(f"{PARENT}: no folder can be made ({reason(error)}); say where results go: -o OUT") from error
    try:
        yield folder
    finally:
        for empty in (folder, PARENT):
            with suppress(OSError):
                empty.rmdir()


def _made() -> Path:
    for number in itertools.count(1):
        folder = PARENT / f"track-{number}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("numbers do not end")
