"""A bundle folder appears whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from stc.errors import InputError
from stc.runtime import passport


def check_replaceable(target: Path, marker: str = passport.FILE_NAME, option: str = "-o DIR") -> None:
    """Raise InputError unless `target` is free, an empty folder, or one that a new export may replace.

    Such a one has the file `marker`: a bundle. option: what the message says to choose another folder with.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target}: exists and is no folder; choose another with: {option}")
    if any(target.iterdir()) and not (target / marker).is_file():
        raise InputError(f"{target}: a folder with other files in it; choose another with: {option}")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`; on success it takes the place of `target`, otherwise it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield temporary
        temporary.chmod(0o755)
        retired = None
        if target.exists():
            retired = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}-old-"))
            target.replace(retired)
        temporary.replace(target)
        if retired is not None:
            shutil.rmtree(retired)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
