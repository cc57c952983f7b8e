"""Random objects in device memory for the kernels that keep masks there, and a plain statement of what must come out.

Needs NumPy alone, as `kernel_cases`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from stc.runtime.masks.axis import composed_axis
from stc.runtime.native import cuda_interface as cuda
from stc.runtime.native.cuda_interface import WORD
from tests.plugins.kernel_cases import STORAGE, Address, Array, FrameCase, on_host, placed

UNWRITTEN = 0xAA
PARTS = ("boxes", "scores", "labels", "embeddings", "found", "areas", "tight")  # of the block, in this order
GATHERED = 4  # of them, from the model's outputs
ALIGNMENT = 16  # bytes of the block's parts
HEADER = 4  # int64


@dataclass(frozen=True)
class ObjectCase:
    """Objects of a picture: the model's outputs for `most` rows, of which `count` are detections, and the room for what
    the kernels find: rows (most,) and kept (1,), found and tight (most, 4), offsets (most + 1,), words (room,), areas
    (most,), and the block that is copied.
    """

    masks: FrameCase
    threshold: float
    boxes: Array
    scores: Array
    labels: Array
    embeddings: Array
    wanted: Array
    count: Array
    rows: Array
    kept: Array
    found: Array
    tight: Array
    offsets: Array
    words: Array
    areas: Array
    block: Array

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        storage: str,
        most: int,
        cells: tuple[int, int],
        frame: tuple[int, int],
        *,
        count: int | None = None,
        room: int | None = None,
        stride: int = 4,
    ) -> ObjectCase:
        """cells: of masks, each `stride` input pixels wide; frame: (H, W); room: words, None: enough."""
        masks = _masks(rng, storage, most, cells, frame, stride)
        words = most * frame[0] * (-(-frame[1] // WORD)) if room is None else room
        scores = rng.uniform(0, 1, most).astype(np.float32)
        if most > 2:
            scores[rng.integers(most)] = rng.choice([np.nan, np.inf])
        bytes_ = 8 * HEADER + sum(most * n * 4 + ALIGNMENT for n in (4, 1, 1, 7, 4, 2, 4)) + 4 * words

        def unwritten(shape: int | tuple[int, ...], kind: type) -> Array:
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            return placed(np.full(size, UNWRITTEN, np.uint8).view(kind).reshape(shape))

        return cls(
            masks,
            float(rng.choice([0.0, 0.4])),
            placed(rng.uniform(0, 90, (most, 4)).astype(np.float32)),
            placed(scores),
            placed(rng.integers(-1, 5, most).astype(np.int32)),
            placed(rng.normal(size=(most, 7)).astype(np.float32)),
            placed(np.array([1, 0, 1, 1], np.uint8)),
            placed(np.array([rng.integers(-1, most + 2) if count is None else count], np.int32)),
            *(unwritten(most, np.int32), unwritten(1, np.int32), unwritten((most, 4), np.int32)),
            *(unwritten((most, 4), np.int32), unwritten(most + 1, np.int64), unwritten(words, np.uint32)),
            *(unwritten(most, np.int64), unwritten(bytes_, np.uint8)),
        )

    @property
    def inputs(self) -> tuple[Array, ...]:
        mine = (self.boxes, self.scores, self.labels, self.embeddings, self.wanted, self.count)
        return *self.masks.inputs, *mine

    @property
    def outputs(self) -> tuple[Array, ...]:
        return self.rows, self.kept, self.found, self.tight, self.offsets, self.words, self.areas, self.block

    def calls(self, address: Address = on_host) -> list[tuple[str, tuple[object, ...]]]:
        """The functions of stc_cuda.h in their order, with their arguments but for the stream."""
        at, most = address, len(self.scores)
        tables = (self.scores, self.labels, self.count, self.wanted)
        selection = cuda.Selection(*map(at, tables), most, len(self.wanted), self.threshold)
        objects = cuda.Rows(at(self.rows), at(self.kept), most)
        masks = (ctypes.byref(self.masks.op(at)), int(self.masks.storage == "f16"), ctypes.byref(objects))
        parts = (cuda.Part * len(PARTS))(
            *(
                cuda.Part(at(table), table.nbytes // max(1, most), int(i < GATHERED))
                for i, table in enumerate(getattr(self, name) for name in PARTS)
            )
        )
        room, block = len(self.words), (at(self.block), self.block.nbytes)
        boxes, offsets, words = at(self.found), at(self.offsets), at(self.words)
        return [
            ("select", (ctypes.byref(selection), at(self.rows), at(self.kept))),
            ("mask_boxes", (*masks, boxes)),
            ("box_offsets", (boxes, most, offsets)),
            ("box_bits", (*masks, boxes, offsets, words, room)),
            ("box_facts", (boxes, offsets, most, words, room, at(self.areas), at(self.tight))),
            ("pack", (parts, len(PARTS), ctypes.byref(objects), offsets, words, *block)),
        ]

    def chosen(self) -> Array:
        """The rows that are kept."""
        n = int(np.clip(self.count[0], 0, len(self.scores)))
        scores, labels = self.scores[:n], self.labels[:n]
        known = (labels >= 0) & (labels < len(self.wanted))
        wanted = ~known | (self.wanted[np.where(known, labels, 0)] == 1)
        return np.flatnonzero((scores >= np.float32(self.threshold)) & np.isfinite(scores) & wanted)

    def wrong(self, bits: Array) -> list[str]:
        """What differs from a plain statement. bits: the frame's pixels of every row of the model, bool (n, H, W)."""
        wrong, chosen = [], self.chosen()
        kept, most = len(chosen), len(self.scores)
        expected = np.full(most, -1)
        expected[:kept] = chosen
        if int(self.kept[0]) != kept or (self.rows != expected).any():
            return [f"rows {self.rows} are not {expected}"]
        sizes = np.zeros(most, np.int64)
        areas, tight, room = np.zeros(most, np.int64), np.zeros((most, 4), np.int64), len(self.words)
        for i, row in enumerate(chosen):
            x0, y0, x1, y1 = self.found[i].tolist()
            outside = bits[row].copy()
            outside[y0:y1, x0:x1] = False
            if outside.any() or not 0 <= x0 <= x1 <= bits.shape[2] or not 0 <= y0 <= y1 <= bits.shape[1]:
                wrong.append(f"box {i} leaves pixels out, or the frame")
            first, last = x0 // WORD, -(-x1 // WORD)
            sizes[i] = (y1 - y0) * (last - first)
            start = int(sizes[:i].sum())
            if sizes[i] and start + sizes[i] > room:
                areas[i] = -1
                continue
            words = self.words[start : start + sizes[i]].reshape(y1 - y0, last - first)
            bitwise = words[..., None] >> np.arange(WORD, dtype=np.uint32) & 1
            pixels = bitwise.reshape(y1 - y0, (last - first) * WORD) == 1
            own = np.pad(bits[row], ((0, 0), (0, WORD)))[y0:y1, first * WORD : last * WORD]
            if (pixels != own).any():
                wrong.append(f"bits of object {i}: {int((pixels != own).sum())} differ")
            areas[i] = bits[row].sum()
            if areas[i]:
                y, x = np.nonzero(bits[row])
                tight[i] = x.min(), y.min(), x.max() + 1, y.max() + 1
        if self.found[kept:].any():
            wrong.append("boxes of no object")
        if (self.offsets != np.concatenate([[0], np.cumsum(sizes)])).any():
            wrong.append(f"offsets {self.offsets}")
        used = min(room, int(sizes.sum()))
        if (self.words[used:] != UNWRITTEN * 0x01010101).any():
            wrong.append("words beyond the last")
        if (self.areas != areas).any():
            wrong.append(f"areas {self.areas} are not {areas}")
        if (self.tight != tight).any():
            wrong.append(f"smallest boxes {self.tight} are not {tight}")
        if room >= self.offsets[-1]:
            wrong += self._wrong_block(chosen)
        return wrong

    def _wrong_block(self, chosen: Array) -> list[str]:
        count, words = len(chosen), int(self.offsets[-1])
        pieces = [b""] + [
            np.ascontiguousarray(getattr(self, name)[chosen if i < GATHERED else slice(count)]).tobytes()
            for i, name in enumerate(PARTS)
        ]
        pieces.append(self.words[:words].tobytes())
        whole = bytearray(8 * HEADER)
        for piece in pieces:
            whole += bytes(-len(whole) % ALIGNMENT) + piece
        whole[: 8 * HEADER] = np.array([count, words, len(whole), 0], np.int64).tobytes()
        found = self.block[: len(whole)].tobytes()
        same = np.frombuffer(found, np.uint8) == np.frombuffer(bytes(whole), np.uint8)
        padding = np.frombuffer(found, np.uint8) == UNWRITTEN  # between parts nothing is written
        wrong = ["the block"] if not (same | padding).all() else []
        if (self.block[len(whole) :] != UNWRITTEN).any():
            wrong.append("bytes beyond the block")
        return wrong


def _masks(
    rng: np.random.Generator, storage: str, count: int, cells: tuple[int, int], frame: tuple[int, int], stride: int
) -> FrameCase:
    """Blobs of all sizes, at the frame's edges and beyond too, noise, nothing, everything, and what is no number."""
    y, x = np.mgrid[: cells[0], : cells[1]]
    planes = np.zeros((count, *cells))
    for plane in planes:
        kind = rng.integers(6)
        centre, radius = rng.uniform(-2, np.array(cells) + 2), rng.uniform(0.5, max(cells) / 2)
        if kind < 3:
            plane[...] = 1 / (1 + np.exp(np.hypot(y - centre[0], x - centre[1]) - radius))
        elif kind == 3:
            plane[...] = rng.uniform(0, 1, cells)
        elif kind == 4:
            plane[...] = rng.choice([0.0, 1.0, 0.5])
        if rng.integers(4) == 0:
            plane[rng.integers(cells[0]), rng.integers(cells[1])] = np.nan
    along_y, along_x = (
        composed_axis(n, stride, max(1, stride * n - rest), size)
        for n, rest, size in zip(cells, rng.integers(0, stride, 2), frame, strict=True)
    )
    axes = tuple(map(placed, (along_y.first, along_y.share, along_x.first, along_x.share)))
    empty = placed(np.zeros((0,), np.uint32))
    return FrameCase(placed(planes.astype(STORAGE[storage])), along_y, along_x, axes, empty, empty)
