"""Arrays of a `.npz` file that somebody else may have written: types, shapes and sizes are known before any is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stc.boundary import foreign
from stc.errors import InputError

MAX_BYTES = 4 << 30  # of all arrays together
RATIO = 1032  # deflate makes nothing smaller than by this


@dataclass(frozen=True)
class Wanted:
    """`dtype` by its NumPy name; `shape` with a letter for a size that all arrays share, None for any."""

    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        return f"{self.dtype} ({', '.join('any' if size is None else str(size) for size in self.shape)})"


def read(
    path: Path, wanted: Mapping[str, Wanted], fix: str, optional: Mapping[str, Wanted] | None = None
) -> dict[str, NDArray[Any]]:
    """The `wanted` arrays of the file at `path`, and those of `optional` that it has; others are not looked at.

    Raises InputError that ends with `fix` for a file that is missing, damaged or no archive of arrays, for arrays of
    another type or shape, and for more than 4 GiB of them. Nothing in it is run, and no memory is taken for what a
    header merely promises.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: no regular file; {fix}")
    with foreign("NumPy", path, fix), zipfile.ZipFile(path) as archive:
        present = archive.namelist()
        wanted = {**wanted, **{name: want for name, want in (optional or {}).items() if f"{name}.npy" in present}}
        entries = {name: archive.getinfo(f"{name}.npy") for name in wanted}
        known: dict[str, int] = {}  # sizes by letter
        for name, want in wanted.items():
            dtype, shape = _header(archive, entries[name])
            if dtype != want.dtype or not _fits(shape, want.shape, known):
                raise InputError(f"{path}: {name} is {dtype} {shape} instead of {want}; {fix}")
        if (total := sum(entry.file_size for entry in entries.values())) > MAX_BYTES:
            raise InputError(f"{path}: {total:,} bytes of arrays, more than {MAX_BYTES:,}; {fix}")
        return {name: _array(archive, entry) for name, entry in entries.items()}


def _header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[str, tuple[int, ...]]:
    """Type and shape of an array, as large as its bytes in the archive. Raises ValueError."""
    with archive.open(entry) as file:
        if npy.read_magic(file) != (1, 0):
            raise ValueError(f"{entry.filename}: not an array of the plain form")
        shape, _, dtype = npy.read_array_header_1_0(file)
        size = file.tell() + math.prod(shape) * dtype.itemsize
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename}: compressed otherwise than NumPy does")
    if any(length < 0 for length in shape) or size != entry.file_size or size > RATIO * (entry.compress_size + 1):
        raise ValueError(f"{entry.filename}: a header of {size:,} bytes for {entry.compress_size:,} in the archive")
    return dtype.name if dtype.isnative else str(dtype), shape


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(entry) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


def _fits(shape: tuple[int, ...], wanted: tuple[int | str | None, ...], known: dict[str, int]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all(
        want is None or size == (known.setdefault(want, size) if isinstance(want, str) else want)
        for size, want in zip(shape, wanted, strict=True)
    )
