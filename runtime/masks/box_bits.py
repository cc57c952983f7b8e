"""Masks at frame size as the bits of a box for each: what comes from a GPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stc.runtime.masks.pixel_buffer import PixelBuffer, drawn
from stc.runtime.masks.plain import column_runs, encoded, packed

WORD = 32  # pixels


@dataclass(frozen=True, eq=False)
class BoxBits:
    """Masks of n objects in a frame of `size` (H0, W0) pixels; outside of its box a mask has no pixel.

    boxes int32 (n, 4), x0, y0, x1, y1, exclusive. A box's rows lie in the frame's own words, x0 / 32 to (x1 + 31) / 32:
    bit i of its first word is pixel x0 / 32 * 32 + i. Object i has `words`, uint32, from `offsets[i]` on, int64 (n,).
    areas int64 (n,): pixels of each mask. tight int32 (n, 4): the smallest boxes of its pixels, 0 where it has none.
    """

    size: tuple[int, int]
    boxes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    words: NDArray[np.uint32]
    areas: NDArray[np.int64]
    tight: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: NDArray[np.intp]) -> BoxBits:
        """Those objects, int (m,); the words are shared."""
        chosen = {name: getattr(self, name)[rows] for name in ("boxes", "offsets", "areas", "tight")}
        return replace(self, **chosen)

    def alone(self) -> BoxBits:
        """The same without the words of other objects."""
        parts = [self._words(index).ravel() for index in range(len(self))]
        offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)[:-1]
        return replace(self, offsets=offsets, words=np.concatenate([np.empty(0, np.uint32), *parts]))

    def dense(self, into: PixelBuffer | None = None) -> NDArray[np.bool_]:
        """All pixels: bool (n, H0, W0), read-only, as `Masks.dense` gives them."""
        return drawn(self._drawn, self.size, into)

    def bits(self) -> NDArray[np.uint32]:
        """uint32 (n, H0, ceil(W0 / 32)): pixel x is bit x % 32 of word x // 32."""
        height, width = self.size
        words = np.zeros((len(self), height, -(-width // WORD)), np.uint32)
        for target, index in zip(words, range(len(self)), strict=True):
            _, y0, _, y1 = self.boxes[index].tolist()
            found = self._words(index)
            first = self.boxes[index, 0] // WORD
            target[y0:y1, first : first + found.shape[1]] = found
        return words

    def rle(self) -> tuple[list[str], NDArray[np.int64]]:
        """COCO's compressed counts and the areas, int64 (n,), in pixels."""
        height = self.size[0]
        corners = [(int(y0), int(x0)) for x0, y0, _, _ in self.boxes]
        runs = [column_runs(self._window(index).T, corners[index], height) for index in range(len(self))]
        return encoded(runs, self.size)

    def _drawn(self, buffer: PixelBuffer) -> NDArray[np.bool_]:
        blank, written = buffer.blank(len(self), self.size)
        pixels = blank.view(np.bool_)
        for index, target in enumerate(pixels):
            x0, y0, x1, y1 = self.boxes[index].tolist()
            written[index] = y0, y1, x0, x1
            target[y0:y1, x0:x1] = self._window(index)
        return pixels

    def _words(self, index: int) -> NDArray[np.uint32]:
        """(rows, words) of a box."""
        x0, y0, x1, y1 = self.boxes[index].tolist()
        shape = y1 - y0, -(-x1 // WORD) - x0 // WORD if x1 > x0 else 0
        begin = int(self.offsets[index])
        return self.words[begin : begin + shape[0] * shape[1]].reshape(shape)

    def _window(self, index: int) -> NDArray[np.bool_]:
        """(rows, columns) of a box."""
        x0, _, x1, _ = self.boxes[index].tolist()
        octets = self._words(index).astype("<u4", copy=False).view(np.uint8)
        pixels = np.unpackbits(octets, axis=1, bitorder="little").view(np.bool_)
        return pixels[:, x0 % WORD : x0 % WORD + x1 - x0]


def boxed(pixels: NDArray[np.bool_]) -> BoxBits:
    """Masks (n, H, W) in their smallest boxes."""
    tight = tight_boxes(pixels)
    parts, offsets = [np.empty(0, np.uint32)], [0]
    for words, (x0, y0, x1, y1) in zip(packed(pixels), tight.tolist(), strict=True):
        parts.append(words[y0:y1, x0 // WORD : -(-x1 // WORD)].ravel())
        offsets.append(offsets[-1] + parts[-1].size)
    areas = pixels.sum(axis=(1, 2), dtype=np.int64)
    return BoxBits(pixels.shape[1:], tight, np.array(offsets[:-1], np.int64), np.concatenate(parts), areas, tight)


def tight_boxes(pixels: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The smallest box of each mask's pixels, int32 (n, 4) x0, y0, x1, y1, exclusive; 0 where it has none."""
    boxes = np.zeros((len(pixels), 4), np.int32)
    for box, mask in zip(boxes, pixels, strict=True):
        columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
