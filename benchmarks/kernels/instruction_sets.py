"""The native library with more than one instruction set in a process, so that they can take turns."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from stc.errors import Missing, MissingDependencyError
from stc.runtime.native.library import FILE, Library, find, load

BESIDE = "avx2"  # what is measured beside the best of the machine
ASKED = "STC_CPU"


def libraries() -> list[Library]:
    """The library with the best instruction set that this machine has (or `STC_CPU` leaves), and with AVX2, if that is
    another that it has. Raises MissingDependencyError where there is no library.

    It chooses once, on its first call; another copy of the file chooses anew.
    """
    if isinstance(best := find(), Missing):
        raise MissingDependencyError(best.reason)
    before = os.environ.get(ASKED)
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copy(FILE, folder))
        os.environ[ASKED] = BESIDE if before is None else before
        try:
            beside = load(copy)
        finally:
            os.environ.pop(ASKED) if before is None else os.environ.update({ASKED: before})
    return [best] if isinstance(beside, Missing) or beside.kernels == best.kernels else [best, beside]
