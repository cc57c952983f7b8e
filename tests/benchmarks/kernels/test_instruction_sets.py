"""The library with two instruction sets in one process."""

from __future__ import annotations

import os

import numpy as np
import pytest

from stc.benchmarks.kernels.instruction_sets import libraries
from stc.runtime.letterbox import resize_frame


def test_copies_of_the_library_keep_to_their_own_instruction_set() -> None:
    found = libraries()
    names = [library.kernels for library in found]
    assert [library.handle.stc_cpu_kernels().decode() for library in found] == names
    assert names in (["avx512", "avx2"], ["avx2"], ["neon"], ["portable"])
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    resized = [resize_frame(frame, (252, 448), "area", library) for library in found]
    assert all(np.array_equal(picture, resized[0]) for picture in resized)  # bit-equal across instruction sets


@pytest.mark.parametrize("asked", [None, "portable"])
def test_what_the_environment_asks_for_stays(monkeypatch: pytest.MonkeyPatch, asked: str | None) -> None:
    monkeypatch.delenv("STC_CPU", raising=False)
    if asked is not None:
        monkeypatch.setenv("STC_CPU", asked)
    libraries()
    assert os.environ.get("STC_CPU") == asked
