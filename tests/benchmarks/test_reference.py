"""The reference file keeps its rows, and a bad one is refused."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from stc.benchmarks import npz
from stc.benchmarks.reference import FrameOutputs, read, valid_rows
from stc.errors import InputError
from tests.benchmarks.agreement.test_parity import reference


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


def altered(path: Path, **changes: Any) -> Path:
    """The reference with other arrays in place of its own; None: without."""
    reference().write(path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez_compressed(path, **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": np.zeros((32, 5), np.float32)}, r"boxes is float32 \(32, 5\) instead of float32 \(N, 4\)"),
        ({"boxes": np.zeros((32, 4), np.float64)}, "boxes is float64"),
        ({"boxes": np.zeros((32, 4), ">f4")}, "boxes is >f4"),
        ({"scores": np.zeros(31, np.float32)}, r"scores is float32 \(31,\) instead of float32 \(N\)"),
        ({"masks": np.zeros((32, 4), np.float32)}, "masks is"),
        ({"labels": np.array([object()] * 32)}, "labels"),
        ({"frames": np.zeros((8, 128, 128), np.uint8)}, "frames is"),
        ({"counts": np.array([2**62, 2**62, 2**62, 2**62 + 32, 0, 0, 0, 0])}, "inconsistent"),
        ({"counts": np.array([33, -1, 0, 0, 0, 0, 0, 0])}, "inconsistent"),
        ({"counts": np.zeros(7, np.int64)}, "counts is"),
        ({"embeddings": None}, "embeddings.npy"),
        ({"frames": np.zeros((0, 8, 8, 3), np.uint8), "counts": np.zeros(0, np.int64)}, "without frames"),
    ],
)
def test_other_arrays_than_a_reference_has_are_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"reference\.npz: .*{message}.*re-export with: stc-export --ckpt FILE"):
        read(altered(tmp_path / "reference.npz", **changes))


@pytest.mark.parametrize("shape", [(1 << 45, 4), (-32, 4), (1 << 62, 1 << 62)])
def test_a_header_that_promises_a_petabyte_takes_no_memory(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = altered(tmp_path / "reference.npz")
    content = {}
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    content["boxes.npy"] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(512)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(InputError, match=r"NumPy cannot use it \(ValueError: boxes\.npy: a header of"):
        read(path)


def test_an_archive_that_claims_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    """As a header above, with the directory of the archive in on it."""
    path = tmp_path / "reference.npz"
    huge = npz.MAX_BYTES + 4096
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (huge - 128,)})
        for _ in range(0, 8 << 20, 1 << 20):
            file.write(bytes(1 << 20))
    with pytest.raises(InputError, match="a header of 4,"):
        npz.read(path, {"x": npz.Wanted("uint8", (None,))}, "fix")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "reference.npz")
    with pytest.raises(InputError, match="no regular file"):
        read(tmp_path / "reference.npz")
