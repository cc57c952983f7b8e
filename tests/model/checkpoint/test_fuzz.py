"""Mutated weight files of every form end in weights or a typed error, within bounds of time and memory."""

from __future__ import annotations

import pytest

from tests.model.checkpoint import fuzz
from tests.model.checkpoint.mutations import mutated


def test_mutations_are_the_same_every_time() -> None:
    assert all(mutated(0, index) == mutated(0, index) for index in range(30))
    assert len({mutated(0, index) for index in range(100)}) > 95


@pytest.mark.slow
def test_mutated_files_end_in_weights_or_a_typed_error() -> None:
    outcome = fuzz.run(files=1000, seed=20250101)
    assert not outcome.failures, "\n".join(outcome.failures)
    # The mutations reach every form, and leave enough alone that reading is tested too.
    kinds = {f"{what} {suffix}" for what in ("read", "refused") for suffix in (".pth", ".pkl", ".safetensors")}
    assert set(outcome.counts) == kinds
    assert min(outcome.counts.values()) > 4
