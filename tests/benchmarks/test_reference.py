"""The reference file keeps its rows, and a bad one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.reference import FrameOutputs, read, valid_rows
from stc.errors import InputError
from tests.benchmarks.test_parity import reference


def test_round_trip(tmp_path: Path) -> None:
    original = reference()
    original.write(tmp_path / "reference.npz")
    found = read(tmp_path / "reference.npz")
    np.testing.assert_array_equal(found.frames, original.frames)
    for a, b in zip(found.outputs, original.outputs, strict=True):
        for name in FrameOutputs.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_valid_rows_cut_at_the_count_and_allow_no_embeddings() -> None:
    outputs = {
        "num_detections": np.array([2, 0], np.int32),
        "boxes": np.zeros((2, 5, 4), np.float32),
        "scores": np.zeros((2, 5), np.float32),
        "labels": np.zeros((2, 5), np.int32),
        "masks": np.zeros((2, 5, 8, 8), np.float16),
    }
    assert len(valid_rows(outputs)) == 2
    assert valid_rows(outputs).embeddings.shape == (2, 0)
    assert valid_rows(outputs).masks.dtype == np.float32
    assert len(valid_rows(outputs, image=1)) == 0


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 truncated"])
def test_a_bad_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "reference.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"reference\.npz"):
        read(tmp_path / "reference.npz")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stc-export"):
        read(tmp_path / "reference.npz")


def test_pickled_content_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "reference.npz").open("wb") as file:
        np.savez(file, frames=np.array([object()], dtype=object))
    with pytest.raises(InputError):
        read(tmp_path / "reference.npz")
