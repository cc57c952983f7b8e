"""The mutations that the fuzzer feeds to the reader of weight files: always the same, and of every form."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from stc.errors import CheckpointError
from stc.model.checkpoint.reading import files
from tests.model.checkpoint.mutations import mutated


def test_mutations_are_the_same_every_time() -> None:
    assert all(mutated(random.Random(index)) == mutated(random.Random(index)) for index in range(30))
    assert len({mutated(random.Random(index)) for index in range(100)}) > 95


@pytest.mark.slow
def test_mutations_reach_every_form_and_leave_enough_alone_that_reading_is_tested_too(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for index in range(1000):
        suffix, content = mutated(random.Random(index))
        path = tmp_path / f"weights{suffix}"
        path.write_bytes(content)
        try:
            files.read(path)
            counts[f"read {suffix}"] += 1
        except CheckpointError:
            counts[f"refused {suffix}"] += 1
    assert set(counts) == {
        f"{what} {suffix}" for what in ("read", "refused") for suffix in (".pth", ".pkl", ".safetensors")
    }
    assert min(counts.values()) > 4
