"""The functions of plugins/cuda/stc_cuda.h on the fake GPU's memory, in NumPy: done when the stream gets to them.

Written from the header alone. Memory is reached through the fake GPU, which knows what is allocated; `calls` are the
names, in order, as they were put on a stream.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.masks.axis import MASK_THRESHOLD
from stc.runtime.native.cuda_interface import (
    WORD,
    DeviceResize,
    DeviceResizeYuv,
    Part,
    Rows,
    Selection,
    ShortAxis,
    Slot,
)
from stc.runtime.native.interface import FrameAxis, FrameMasks
from tests.runtime.backends.fake_cuda import FakeCuda

BETWEEN, LEVEL, COLOUR = 7, 5, 13  # bits


class Deferred:
    """Stands for the library's handle: what `work_of` gives for a function is done when its stream gets to it.

    `refuse`: the functions that return an error.
    """

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.calls: list[str] = []
        self.refuse: set[str] = set()

    def work_of(self, name: str) -> Callable[..., object]:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Callable[..., int]:
        if not name.startswith("stc_cuda_"):
            raise AttributeError(name)
        work = self.work_of(name)

        def call(*arguments: Any) -> int:
            self.calls.append(name)
            if name in self.refuse:
                return 1
            *given, stream = arguments
            assert self.cuda.usable(stream)
            # A launch takes its arguments by value.
            by_value = [a if isinstance(a, int) else type(a).from_buffer_copy(a) for a in given]
            self.cuda.work(stream, lambda: work(*by_value))
            return 0

        return call


class CompiledKernels(Deferred):
    """The kernels themselves, compiled for the host."""

    def __init__(self, cuda: FakeCuda, handle: ctypes.CDLL) -> None:
        super().__init__(cuda)
        self._handle = handle

    def work_of(self, name: str) -> Callable[..., object]:
        def work(*arguments: Any) -> None:
            status = getattr(self._handle, name)(*arguments, 0)
            assert status == 0, f"{name}: {status}"

        return work


class FakeKernels(Deferred):
    """All in NumPy. `pictures`: what was resized, in order."""

    def __init__(self, cuda: FakeCuda) -> None:
        super().__init__(cuda)
        self.pictures: list[NDArray[np.uint8]] = []

    def work_of(self, name: str) -> Callable[..., object]:
        return getattr(self, name.replace("stc_cuda_", "do_", 1))  # type: ignore[no-any-return]

    def array(self, address: int, dtype: Any, *shape: int) -> NDArray[Any]:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        return self.cuda.at(address, size).view(dtype).reshape(shape)  # type: ignore[no-any-return]

    def surface(self, address: int, row: int, height: int, width: int) -> NDArray[np.uint8]:
        """(height, width) bytes, all of which are in one allocation."""
        flat = self.array(address, np.uint8, (height - 1) * row + width)
        return np.lib.stride_tricks.as_strided(flat, (height, width), (row, 1))

    def do_resize(self, op: DeviceResize) -> None:
        assert 1 <= op.pixel <= 4 and abs(op.channel) <= 1
        span = min(0, 2 * op.channel), max(0, 2 * op.channel)
        first = op.source + span[0]
        bytes_of_row = (op.width - 1) * op.pixel + span[1] - span[0] + 1
        rows = self.surface(first, op.row, op.height, bytes_of_row)
        channels = [rows[:, c * op.channel - span[0] :: op.pixel][:, : op.width] for c in range(3)]
        levels = [_rounded(self.blend(plane, op.y, op.x), op.x.bits + BETWEEN) for plane in channels]
        self.fill(op.slot, np.stack(levels, axis=-1))

    def do_resize_yuv(self, op: DeviceResizeYuv) -> None:
        half = (op.height + 1) // 2, (op.width + 1) // 2
        luma = self.surface(op.luma, op.luma_row, op.height, op.width)
        chroma = self.surface(op.chroma, op.chroma_row, half[0], 2 * half[1])
        y = _rounded(self.blend(luma, op.y, op.x), op.x.bits + BETWEEN - LEVEL)
        u, v = (
            _rounded(self.blend(chroma[:, c::2], op.chroma_y, op.chroma_x), op.chroma_x.bits + BETWEEN - LEVEL)
            - (128 << LEVEL)
            for c in (0, 1)
        )
        c = op.colours
        grey = c.luma * (y - (c.black << LEVEL))
        mixed = (grey + c.blue_u * u, grey - c.green_u * u - c.green_v * v, grey + c.red_v * v)
        self.fill(op.slot, np.stack([_rounded(value, LEVEL + COLOUR).clip(0, 255) for value in mixed], axis=-1))

    def blend(self, plane: NDArray[np.uint8], y: ShortAxis, x: ShortAxis) -> NDArray[np.int64]:
        down, across = self.weights(y, plane.shape[0]), self.weights(x, plane.shape[1])
        between = _rounded(down @ plane.astype(np.int64), y.bits - BETWEEN)
        return between @ across.T  # type: ignore[no-any-return]

    def weights(self, axis: ShortAxis, source: int) -> NDArray[np.int64]:
        first = self.array(axis.first, np.int32, axis.size)
        weights = self.array(axis.weights, np.int16, axis.taps, axis.size)
        matrix = np.zeros((axis.size, source + axis.taps), np.int64)
        for tap in range(axis.taps):
            matrix[np.arange(axis.size), first + tap] += weights[tap]
        assert not matrix[:, source:].any()
        return matrix[:, :source]

    def fill(self, slot: Slot, levels: NDArray[np.int64]) -> None:
        rows = self.surface(slot.pixels, slot.row, slot.height, 3 * slot.width)
        rows[:] = np.tile(np.array(slot.border[:3], np.uint8), slot.width)
        rows[: len(levels), : 3 * levels.shape[1]] = levels.reshape(len(levels), -1)
        self.pictures.append(rows.reshape(slot.height, slot.width, 3).copy())

    def do_select(self, op: Selection, rows: int, kept: int) -> None:
        count = min(max(int(self.array(op.count, np.int32, 1)[0]), 0), op.most)
        scores, labels = self.array(op.scores, np.float32, op.most), self.array(op.labels, np.int32, op.most)
        wanted = self.array(op.wanted, np.uint8, op.classes)
        chosen = [
            row
            for row in range(count)
            if np.isfinite(scores[row])
            and scores[row] >= op.threshold
            and (not 0 <= labels[row] < op.classes or wanted[labels[row]])
        ]
        self.array(rows, np.int32, op.most)[:] = chosen + [-1] * (op.most - len(chosen))
        self.array(kept, np.int32, 1)[:] = len(chosen)

    def objects(self, op: Rows) -> list[int]:
        count = min(max(int(self.array(op.count, np.int32, 1)[0]), 0), op.most)
        return self.array(op.rows, np.int32, op.most)[:count].tolist()  # type: ignore[no-any-return]

    def axis(self, axis: FrameAxis) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        cells = self.array(axis.cells, np.int32, axis.size)
        shares = self.array(axis.shares, np.float32, axis.size)
        return cells, np.where(shares > 0, cells + 1, cells), shares

    def probabilities(self, op: FrameMasks, storage: int) -> NDArray[np.float32]:
        kind = np.float16 if storage else np.float32
        return self.array(op.probabilities, kind, op.instances, op.rows, op.cols).astype(np.float32)

    def do_mask_boxes(self, op: FrameMasks, storage: int, objects: Rows, boxes: int) -> None:
        found = self.array(boxes, np.int32, objects.most, 4)
        found[:] = 0
        cells = self.probabilities(op, storage)
        for box, row in zip(found, self.objects(objects), strict=False):
            hit = cells[row] > MASK_THRESHOLD
            ends = []
            for axis, inside in ((op.x, hit.any(axis=0)), (op.y, hit.any(axis=1))):
                first, second, _ = self.axis(axis)
                pixels = np.flatnonzero(inside[first] | inside[second])
                ends.append((int(pixels[0]), int(pixels[-1]) + 1) if len(pixels) else (0, 0))
            (x0, x1), (y0, y1) = ends
            if x1 > x0 and y1 > y0:
                box[:] = x0, y0, x1, y1

    def do_box_offsets(self, boxes: int, most: int, offsets: int) -> None:
        found = self.array(boxes, np.int32, most, 4).astype(np.int64)
        sizes = (found[:, 3] - found[:, 1]) * (-(-found[:, 2] // WORD) - found[:, 0] // WORD)
        self.array(offsets, np.int64, most + 1)[:] = np.concatenate(([0], np.cumsum(sizes)))

    def do_box_bits(
        self, op: FrameMasks, storage: int, objects: Rows, boxes: int, offsets: int, words: int, room: int
    ) -> None:
        begins = self.array(offsets, np.int64, objects.most + 1)
        target = self.array(words, np.uint32, room)
        cells = self.probabilities(op, storage)
        (top, bottom, down), (left, right, across) = self.axis(op.y), self.axis(op.x)
        for index, row in enumerate(self.objects(objects)):
            begin, end = begins[index : index + 2]
            if end > room:
                continue
            x0, y0, x1, y1 = self.array(boxes, np.int32, objects.most, 4)[index].tolist()
            # One rounding for each fused multiply-add, as the kernels and the CPU library do it.
            upper = _climb(cells[row][top][:, left], across, cells[row][top][:, right])
            lower = _climb(cells[row][bottom][:, left], across, cells[row][bottom][:, right])
            inside = _climb(upper, down[:, None], lower) > MASK_THRESHOLD
            inside[:y0] = inside[y1:] = inside[:, :x0] = inside[:, x1:] = False
            wide = np.pad(inside[y0:y1], ((0, 0), (0, -inside.shape[1] % WORD)))
            part = wide[:, x0 // WORD * WORD : -(-x1 // WORD) * WORD]
            octets = np.ascontiguousarray(np.packbits(part, axis=1, bitorder="little"))
            target[begin:end] = octets.view(np.uint32).ravel()

    def do_box_facts(self, boxes: int, offsets: int, most: int, words: int, room: int, areas: int, tight: int) -> None:
        begins = self.array(offsets, np.int64, most + 1)
        found, sizes = self.array(tight, np.int32, most, 4), self.array(areas, np.int64, most)
        for index, (x0, y0, _, y1) in enumerate(self.array(boxes, np.int32, most, 4).tolist()):
            found[index], sizes[index] = 0, 0
            begin, end = begins[index : index + 2]
            if end > room:
                sizes[index] = -1
            elif end > begin:
                part = self.array(words, np.uint32, room)[begin:end].reshape(y1 - y0, -1)
                rows, columns = np.nonzero(np.unpackbits(part.view(np.uint8), axis=1, bitorder="little"))
                sizes[index] = len(rows)
                if len(rows):
                    left = x0 // WORD * WORD
                    found[index] = columns.min() + left, rows.min() + y0, columns.max() + left + 1, rows.max() + y0 + 1

    def do_pack(
        self, parts: Any, count: int, objects: Rows, offsets: int, words: int, block: int, capacity: int
    ) -> None:
        rows = self.objects(objects)
        used = int(self.array(offsets, np.int64, objects.most + 1)[-1]) if words else 0
        begin, pieces = 32, []
        for part in parts[:count]:
            assert isinstance(part, Part) and part.row_bytes % 4 == 0
            for index, row in enumerate(rows):
                source = part.table + (row if part.gathered else index) * part.row_bytes
                pieces.append((begin + index * part.row_bytes, self.array(source, np.uint8, part.row_bytes)))
            begin = -(-(begin + len(rows) * part.row_bytes) // 16) * 16
        header = np.array([len(rows), used, begin + 4 * used, 0], np.int64)
        target = self.array(block, np.uint8, capacity)
        fitting = min(used, max(0, capacity - begin) // 4)
        pieces += [(0, header.view(np.uint8)), (begin, self.array(words, np.uint8, 4 * fitting))]
        for at, content in pieces:
            end = min(capacity, at + len(content))
            if end > at:
                target[at:end] = content[: end - at]


def _rounded(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Halves up."""
    return values + (1 << bits >> 1) >> bits


def _climb(start: NDArray[np.float32], share: NDArray[np.float32], end: NDArray[np.float32]) -> NDArray[np.float32]:
    """start + share * (end - start): the difference rounded, then once more."""
    rise = (end - start).astype(np.float64)
    return (start.astype(np.float64) + share.astype(np.float64) * rise).astype(np.float32)
