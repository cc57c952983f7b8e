"""Mutated weight files of every form; each must be read within 256 MiB of memory and run no code."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from stc.errors import StcError
from stc.model.checkpoint import load
from stc.model.checkpoint.reading import files
from tests.fuzzing import status
from tests.model.checkpoint.mutations import MARK, mutated

SECONDS = 20.0
MEMORY = 1 << 30  # of address space
PEAK = 256 << 20
LOADED = 0.1  # building the network takes longer than reading: only this share goes through `load` as well


def cases(folder: Path) -> Callable[[random.Random], object]:
    mutated(random.Random(0))

    def case(r: random.Random) -> None:
        suffix, content = mutated(r)
        path = folder / f"weights{suffix}"
        path.write_bytes(content)
        peak = status("VmHWM")  # making the file may take memory of its own
        try:
            files.read(path)
            if r.random() < LOADED:
                load(path)
        except StcError as error:
            assert "alloc" not in str(error.__cause__), "asked for too much memory"  # PyTorch's words for it
            raise
        finally:
            assert not Path(MARK).exists(), "a pickle ran code"
            taken = status("VmHWM") - peak
            assert taken <= PEAK, f"took {taken >> 20} MiB"

    return case
