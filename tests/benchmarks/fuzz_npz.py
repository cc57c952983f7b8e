"""References of stc-bench: damaged archives, and sound ones of other arrays, counts and headers."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stc.benchmarks import reference
from stc.benchmarks.agreement import proof
from stc.benchmarks.models.candidates import Candidate
from stc.runtime import Session
from tests.benchmarks.proven import prove
from tests.mutations import EXTREMES, damaged
from tests.runtime import tiny_model

Arrays = dict[str, Any]


def cases(folder: Path) -> Callable[[random.Random], object]:
    bundle = prove(tiny_model.write_bundle(folder / "bundle"))
    content = (bundle / reference.FILE_NAME).read_bytes()
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    session = Session(bundle, threads=1)
    candidate = Candidate("tiny", bundle, session, "fp32", None, None)
    path = folder / "other.npz"

    def case(r: random.Random) -> None:
        match r.randrange(3):
            case 0:
                path.write_bytes(damaged(r, content))
            case 1:
                path.write_bytes(_odd_header(r, arrays))
            case 2:
                changed = dict(arrays)
                for _ in range(r.choice((1, 1, 2))):
                    r.choice(MUTATIONS)(r, changed)
                np.savez_compressed(path, **changed)
        (truth,) = proof.find([candidate], str(path), [], None)
        assert truth is not None
        proof.prove(candidate, truth, (60, 96))

    return case


def _odd_header(r: random.Random, arrays: Arrays) -> bytes:
    """One array whose header promises something else than follows; the archive itself is sound."""
    out = io.BytesIO()
    target = r.choice(list(arrays))
    with zipfile.ZipFile(out, "w", r.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=True)
            entry = data.getvalue()
            if name == target:
                entry = _promising(r, entry, array)
            archive.writestr(f"{name}.npy", entry)
    return out.getvalue()


def _promising(r: random.Random, entry: bytes, array: Any) -> bytes:
    length = struct.unpack("<H", entry[8:10])[0]
    shape = [*array.shape]
    if shape:
        shape[r.randrange(len(shape))] = r.choice((*EXTREMES, -5, len(array) + 1))
    described = r.choice(("|O", "<f4", ">f4", "<i4", "<i8", "|u1", "<f8", "<U9999999", "|V99", [("a", "<f4")], "x"))
    kind = described if r.random() < 0.3 else array.dtype.str
    header = repr({"descr": kind, "fortran_order": r.choice((False, False, True)), "shape": tuple(shape)}).encode()
    header += r.choice((b"\n", b" " * 20000 + b"\n", b")" * 3, b"(" * 5000))
    version = r.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"))
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", min(len(header), 65535))
    return entry[:6] + version + size + header + entry[10 + length :]


def _counts(r: random.Random, arrays: Arrays) -> None:
    counts = arrays.get("counts", np.zeros(0))
    if counts.dtype.kind not in "iu" or counts.ndim != 1 or not counts.size:  # another mutation was here before
        counts = np.zeros(8)
    counts = counts.astype(np.int64)
    for _ in range(r.choice((1, 2))):
        counts[r.randrange(len(counts))] += r.choice((1, -1, 5, 2**62, -(2**62), 2**40))
    arrays["counts"] = counts


def _shape(r: random.Random, arrays: Arrays) -> None:
    name = r.choice(list(arrays))
    shape = [r.choice((size, size, 0, 1, size + 1)) for size in arrays[name].shape]
    arrays[name] = np.resize(arrays[name], shape if r.random() < 0.8 else shape[:-1])


def _kind(r: random.Random, arrays: Arrays) -> None:
    name = r.choice(list(arrays))
    if r.random() < 0.1:
        arrays[name] = np.array([object()], dtype=object)
    else:
        arrays[name] = arrays[name].astype(r.choice(("u1", "i4", "i8", "f2", "f4", "f8", ">f4", "c8", "U3", "?")))


def _missing(r: random.Random, arrays: Arrays) -> None:
    del arrays[r.choice(list(arrays))]


def _values(r: random.Random, arrays: Arrays) -> None:
    name = r.choice(("boxes", "scores", "labels", "embeddings", "masks", "frames"))
    if name in arrays and arrays[name].size and arrays[name].dtype != object:
        array = arrays[name].copy()
        odd = (
            r.choice((float("nan"), float("inf"), -1e30, 1e38)) if array.dtype.kind == "f" else r.choice((0, 1, 7, 99))
        )
        if array.dtype.kind in "fiu":
            array.flat[r.randrange(array.size)] = odd
        arrays[name] = array


MUTATIONS: tuple[Callable[[random.Random, Arrays], None], ...] = (
    *(_counts, _shape, _shape, _kind, _missing, _values, _values, _values),
)
