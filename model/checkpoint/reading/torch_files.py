"""Files of `torch.save`, both the zip archives and the older form, read without running code and tensor by tensor.

A pickle describes the tensors as views of storages, the storages are plain bytes elsewhere in the file. Every view is
held against its storage and every storage against the bytes that are there before memory is taken for it; storages
that nobody asks for (an optimiser's) are never read.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stc.model.checkpoint.reading import pickles
from stc.model.checkpoint.reading.stand_ins import MAX_DIMENSIONS, STAND_INS, Names

MAGIC = 0x1950A86A20F9469CFC6C  # first thing in a file of the older form
STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ShortStorage": torch.int16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}


@dataclass(frozen=True, eq=False)
class Storage:
    """`numel` numbers of `dtype` that the file holds under `key`."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class View:
    """A tensor that is not read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class TorchFile:
    """`content`: what was saved, with `View` for every tensor; `tensor` reads one of them."""

    content: object
    tensor: Callable[[View], Tensor]


@contextmanager
def archived(path: Path) -> Iterator[TorchFile]:
    """The zip archive at `path`. A damaged one raises UnpicklingError or nearly anything, on entry or from `tensor`."""
    with zipfile.ZipFile(path) as archive:
        yield _of_archive(archive, path.stat().st_size)


def names(path: Path) -> list[str]:
    """Of the members of the archive at `path`. Raises as `archived` does."""
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def is_older_form(first: object) -> bool:
    """Whether a file whose first pickle is `first` is one of the older form."""
    return isinstance(first, int) and first == MAGIC


def _of_archive(archive: zipfile.ZipFile, size: int) -> TorchFile:
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size for entry in entries):
        raise pickle.UnpicklingError("compressed entries, which torch.save never writes")
    if (total := sum(entry.file_size for entry in entries)) > size:
        raise pickle.UnpicklingError(f"a file of {size:,} bytes that claims to hold {total:,}")
    found = [entry.filename for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
    if len(found) != 1:
        raise pickle.UnpicklingError("an archive, but not one of torch.save")
    root = found[0].removesuffix("data.pkl")
    if f"{root}byteorder" in archive.NameToInfo and archive.read(f"{root}byteorder") != b"little":
        raise pickle.UnpicklingError("numbers in big-endian order")
    content = pickles.load(io.BytesIO(archive.read(found[0])), NAMES, _storage)
    return TorchFile(content, _reader(lambda storage: archive.read(f"{root}data/{storage.key}")))


def older_form(file: mmap) -> TorchFile:
    """The older form in `file`, whose first pickle is read already. Raises as `archived` does."""
    pickles.load(file)  # version of the form: there is one
    system = pickles.load(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise pickle.UnpicklingError("numbers in big-endian order")
    storages: dict[str, Storage] = {}

    def noted(reference: Any) -> Storage:
        storage = _storage(reference)
        return storages.setdefault(storage.key, storage)

    content = pickles.load(file, NAMES, noted)
    keys = pickles.load(file)
    if not isinstance(keys, list):
        raise pickle.UnpicklingError("no list of storages")
    starts: dict[str, int] = {}
    position = file.tell()
    for key in keys:
        storage = storages[key]
        file.seek(position)
        if int.from_bytes(file.read(8), "little") != storage.numel or position + 8 + storage.size > len(file):
            raise pickle.UnpicklingError(f"storage {key[:20]} is not of the {storage.numel} numbers that it should be")
        starts[key] = position + 8
        position += 8 + storage.size

    def read(storage: Storage) -> bytes:
        file.seek(starts[storage.key])
        return file.read(storage.size)

    return TorchFile(content, _reader(read))


def _reader(read: Callable[[Storage], bytes]) -> Callable[[View], Tensor]:
    """The function that makes tensors of views; views of one storage share its memory."""
    numbers: dict[str, Tensor] = {}

    def tensor(view: View) -> Tensor:
        storage = view.storage
        if storage.key not in numbers:
            content = bytearray(read(storage))
            if len(content) != storage.size:
                raise pickle.UnpicklingError(f"a storage of {len(content)} bytes, not {storage.size}")
            numbers[storage.key] = (
                torch.frombuffer(content, dtype=storage.dtype) if content else torch.empty(0, dtype=storage.dtype)
            )
        flat = numbers[storage.key]
        if flat.dtype != storage.dtype or len(flat) != storage.numel:
            raise pickle.UnpicklingError("one storage, described in two ways")
        return flat.as_strided(view.shape, view.stride, view.offset)

    return tensor


def _storage(reference: Any) -> Storage:
    """From torch.save's reference: ("storage", type, key, device, numel[, None])."""
    kind, dtype, key, _, numel, *rest = reference
    if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str) or any(rest):
        raise pickle.UnpicklingError("a storage of no plain numbers")
    if type(numel) is not int or numel < 0:
        raise pickle.UnpicklingError("a storage without size")
    return Storage(key, dtype, numel)


def _view(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> View:
    if (
        not isinstance(storage, Storage)
        or not isinstance(shape, tuple)
        or not isinstance(stride, tuple)
        or len(shape) != len(stride)
        or len(shape) > MAX_DIMENSIONS
        or not all(type(number) is int and 0 <= number < 1 << 48 for number in (offset, *shape, *stride))
        or math.prod(shape) >= 1 << 60
    ):
        raise pickle.UnpicklingError("a tensor of impossible shape")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if math.prod(shape) and last >= storage.numel:
        raise pickle.UnpicklingError(f"a tensor of {shape} from a storage of {storage.numel} numbers")
    return View(storage, offset if math.prod(shape) else 0, shape, stride)


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


NAMES: Names = {
    **STAND_INS,
    **{("torch", name): dtype for name, dtype in STORAGES.items()},
    ("torch._utils", "_rebuild_tensor"): _view,
    ("torch._utils", "_rebuild_tensor_v2"): _view,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
}
