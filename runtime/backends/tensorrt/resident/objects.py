"""The objects of one picture of a batch: kept on the GPU, their masks there as bits, all of it in one block of memory.

The block is pinned memory of the host's, which the GPU writes: so much goes over the bus as there is, and nothing has
to be known before. Where masks need more room than there is, the block says how much, and they are made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.bindings import Bindings, Tensor
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.resident.kernels import Launch
from stc.runtime.backends.tensorrt.resident.masks import FrameOrigin, KeptRows
from stc.runtime.backends.tensorrt.resident.memory import Buffer, Tables, aligned
from stc.runtime.bundle.contract import COUNT, MASKS
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.axis import composed_axis
from stc.runtime.masks.box_bits import BoxBits
from stc.runtime.native.cuda_interface import WORD, Part, Rows, Selection
from stc.runtime.native.interface import FrameAxis, FrameMasks
from stc.runtime.native.library import STORAGE

UNIT = 16  # bytes, at a multiple of which each part of a block begins
HEADER = 4  # int64: objects, words, bytes of the whole, 0
FRAMES = 4  # whole frames of bits that the masks of a picture have room for at first


@dataclass(frozen=True)
class Wish:
    """What a stream wants of a picture. wanted: a byte per class, 0 or 1. probabilities: of masks, on the host too."""

    threshold: float
    wanted: bytes
    probabilities: bool


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one picture: of the n objects that were kept the model's outputs by name, (n, …), `rows` int32 (n,)
    that they have there, and their masks.
    """

    outputs: dict[str, NDArray[Any]]
    rows: NDArray[np.int32]
    bits: BoxBits

    def with_masks(self, origin: FrameOrigin) -> dict[str, Any]:
        """The outputs for one picture, (1, n, …), and its masks."""
        one = {name: values[None] for name, values in self.outputs.items() if name != MASKS}
        masks = KeptRows(self.bits, self.rows, origin, self.outputs.get(MASKS))
        return one | {COUNT: np.array([len(self.rows)], np.int32), MASKS: masks}


@dataclass(frozen=True)
class _Column:
    """A part of the block: `row` is the shape of an object's."""

    name: str
    dtype: np.dtype[Any]
    row: tuple[int, ...]
    table: int
    gathered: bool

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.row, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True)
class Launches:
    """What goes after the engine for one picture: `made` on its stream, and when that is done `packed`, which brings it
    to the host.
    """

    made: list[Launch]
    packed: Launch


class Objects:
    """Picture number `index` of batches: its memory, which grows, and what to launch for it after the engine.

    What it launched is done before it is asked for `launches` again.
    """

    def __init__(self, cuda: Cuda, tables: Tables, stride: int, index: int) -> None:
        """stride: input pixels of a mask's cell."""
        self._index, self._tables, self._stride = index, tables, stride
        self._own, self._words = Buffer(cuda, None), Buffer(cuda, None)
        self._block = Buffer(cuda, None, host=True)
        self._columns: list[_Column] = []
        self._size = (0, 0)
        self._room = self._capacity = 0

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All that is to be given back."""
        return self._own, self._words, self._block

    def launches(self, bindings: Bindings, addresses: dict[str, int], letterbox: Letterbox, wish: Wish) -> Launches:
        """Raises DeviceError where the GPU has no memory for them."""
        of = {tensor.name: tensor for tensor in (bindings.count, *bindings.rows)}
        at = {name: addresses[name] + self._index * tensor.nbytes(1) for name, tensor in of.items()}
        masks, storage = frame_masks(of[MASKS], at[MASKS], letterbox, self._stride, self._tables)
        most = of[MASKS].row[0]
        self._size = letterbox.frame_size
        self._room = max(self._room, FRAMES * letterbox.frame_size[0] * -(-letterbox.frame_size[1] // WORD))
        sizes = {"kept": 4, "rows": 4 * most, "boxes": 16 * most, "offsets": 8 * (most + 1), "areas": 8 * most}
        begins = np.cumsum([0, *(aligned(size, UNIT) for size in (*sizes.values(), 16 * most))]).tolist()
        own = self._own.reserve(begins[-1])
        kept, rows, boxes, offsets, areas, tight = (own + begin for begin in begins[:-1])
        int32, int64 = np.dtype(np.int32), np.dtype(np.int64)
        self._columns = [
            _Column("rows", int32, (), rows, gathered=False),
            *(
                _Column(tensor.name, tensor.dtype, tensor.row[1:], at[tensor.name], gathered=True)
                for tensor in bindings.rows
                if tensor.name != MASKS or wish.probabilities
            ),
            _Column("mask boxes", int32, (4,), boxes, gathered=False),
            _Column("offsets", int64, (), offsets, gathered=False),
            _Column("areas", int64, (), areas, gathered=False),
            _Column("tight", int32, (4,), tight, gathered=False),
        ]
        head = 8 * HEADER + sum(aligned(most * column.row_bytes, UNIT) for column in self._columns)
        self._capacity = head + 4 * self._room
        block = self._block.reserve(self._capacity)
        words = self._words.reserve(self._capacity)  # all that may be copied from there is there
        parts = (Part * len(self._columns))(
            *(Part(column.table, column.row_bytes, int(column.gathered)) for column in self._columns)
        )
        objects = Rows(rows, kept, most)
        selection = Selection(
            at["scores"], at["labels"], at[COUNT], self._wanted(wish.wanted), most, len(wish.wanted), wish.threshold
        )
        made = [
            Launch("stc_cuda_select", (selection, rows, kept)),
            Launch("stc_cuda_mask_boxes", (masks, storage, objects, boxes)),
            Launch("stc_cuda_box_offsets", (boxes, most, offsets)),
            Launch("stc_cuda_box_bits", (masks, storage, objects, boxes, offsets, words, self._room)),
            Launch("stc_cuda_box_facts", (boxes, offsets, most, words, self._room, areas, tight)),
        ]
        packing = (parts, len(self._columns), objects, offsets, words, block, self._capacity)
        return Launches(made, Launch("stc_cuda_pack", packing))

    def read(self) -> Answer | None:
        """What the GPU has written, copied; None: it had no room, and there is enough for launches made anew."""
        count, words, size, _ = self._block.view(np.int64, (HEADER,)).tolist()
        if words > self._room or size > self._capacity:
            self._room = max(self._room, words + words // 4)
            return None
        found, offset = {}, 8 * HEADER
        for column in self._columns:
            found[column.name] = self._block.view(column.dtype, (count, *column.row), offset).copy()
            offset += aligned(count * column.row_bytes, UNIT)
        made = [found.pop(name) for name in ("mask boxes", "offsets", "areas", "tight")]
        bits = self._block.view(np.uint32, (words,), offset).copy()
        boxes, offsets, areas, tight = made
        return Answer(found, found.pop("rows"), BoxBits(self._size, boxes, offsets, bits, areas, tight))

    def _wanted(self, wanted: bytes) -> int:
        key = ("wanted", wanted)
        found = self._tables.get(key) or self._tables.put(key, [np.frombuffer(wanted, np.uint8)])
        return found[0]


def frame_masks(
    masks: Tensor, address: int, letterbox: Letterbox, stride: int, tables: Tables
) -> tuple[FrameMasks, int]:
    """The masks of one picture at its frame's size, and their storage. Raises DeviceError."""
    most, rows, cols = masks.row
    sides = zip((rows, cols), letterbox.resized_size, letterbox.frame_size, strict=True)
    axes = [composed_axis(cells, stride, resized, frame) for cells, resized, frame in sides]
    key = ("masks", letterbox.frame_size, letterbox.resized_size, masks.row)
    found = tables.get(key) or tables.put(key, [array for axis in axes for array in (axis.first, axis.share)])
    y, x = (FrameAxis(*found[2 * number : 2 * number + 2], len(axis)) for number, axis in enumerate(axes))
    return FrameMasks(address, y, x, most, rows, cols), STORAGE[masks.dtype]
