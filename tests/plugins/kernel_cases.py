"""Random inputs of the CUDA kernels in memory, and what must come out: for the executor of PTX, and for GPUs.

Needs NumPy alone: `scripts/gpu_kernels.sh` runs where nothing else is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.mask_head_op import Attributes
from stc.runtime.masks.axis import MASK_THRESHOLD, Axis, composed_axis
from stc.runtime.native.interface import FrameAxis, FrameMasks, Op
from tests.reference.condinst import mask_head

Array = NDArray[Any]
Address = Callable[[Array], int]
STORAGE: dict[str, type] = {"f32": np.float32, "f16": np.float16}
NETWORKS = ((8, 3), (8, 2), (4, 3), (16, 3))  # STC_MASK_HEAD_NETWORKS: channels, layers
WORD = 32  # pixels
FRAME_FORMS = ("words", "pixels")  # of frame masks: bits, or a byte for each


def on_host(array: Array) -> int:
    return int(array.ctypes.data)


def placed(values: Array, shift: int = 0) -> Array:
    """A copy at an address that is `shift` elements behind one aligned to 256 bytes, as a kernel may be given."""
    room = np.zeros(values.nbytes + 256 + shift * values.itemsize, np.uint8)
    start = -room.ctypes.data % 256 + shift * values.itemsize
    found = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    found[...] = values
    return found


@dataclass(frozen=True)
class HeadCase:
    """The mask head: features (B, channels, h, w), params (B, K, P), locations (B, K, 2), sizes (B, K), count (B,), and
    masks (B, K, h * upsample, w * upsample), NaN until a kernel has written them.
    """

    head: Attributes
    features: Array
    params: Array
    locations: Array
    sizes: Array
    count: Array
    masks: Array

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        storage: str,
        shape: tuple[int, int, int, int],
        head: Attributes = Attributes(),  # noqa: B008  # frozen
        shift: int = 0,
    ) -> HeadCase:
        """shape: batch, instances, height and width in cells; shift: elements from an aligned address."""
        kind, (batch, instances, height, width), up = STORAGE[storage], shape, head.upsample
        reach = (head.stride * width, head.stride * height)
        return cls(
            head,
            placed(rng.normal(size=(batch, head.channels, height, width)).astype(kind), shift),
            placed((0.5 * rng.normal(size=(batch, instances, head.parameters))).astype(kind), shift),
            placed(rng.uniform(0, reach, (batch, instances, 2)).astype(np.float32)),
            placed(rng.choice([64, 128, 256, 512], (batch, instances)).astype(np.float32)),
            placed(rng.integers(0, instances + 1, batch).astype(np.int32)),
            placed(np.full((batch, instances, up * height, up * width), np.nan, kind), shift),
        )

    @property
    def storage(self) -> str:
        return "f32" if self.masks.dtype == np.float32 else "f16"

    @property
    def inputs(self) -> tuple[Array, ...]:
        return self.features, self.params, self.locations, self.sizes, self.count

    @property
    def tolerance(self) -> float:
        """float32's own rounding; half a step of float16 just below 1, where probabilities are stored."""
        return 1e-5 if self.storage == "f32" else 2.0**-12 + 1e-5

    def filled(self) -> HeadCase:
        """With every instance valid."""
        self.count[...] = self.params.shape[1]
        return self

    def op(self, address: Address = on_host) -> Op:
        """The C struct; `address` says where each array is."""
        shape = (*self.params.shape[:2], *self.features.shape[2:])
        head = (self.head.channels, self.head.layers, self.head.stride, self.head.upsample)
        return Op(*map(address, (*self.inputs, self.masks)), *shape, *head, int(self.storage == "f16"))

    def expected(self) -> Array:
        """By the independent float64 statement; zero beyond the count."""
        masks = np.zeros(self.masks.shape)
        head = {"stride": self.head.stride, "upsample": self.head.upsample, "layers": self.head.layers}
        for image, count in enumerate(self.count.clip(0, self.params.shape[1])):
            rows = slice(0, int(count))
            inputs = (self.features[image], self.params[image, rows], self.locations[image, rows])
            wide = (x.astype(np.float64) for x in (*inputs, self.sizes[image, rows]))
            masks[image, rows] = mask_head(*wide, **head)
        return masks

    def error(self, masks: Array | None = None) -> float:
        """The largest distance from the formula; infinite where a pixel was not written or is no number."""
        found = (self.masks if masks is None else masks).astype(np.float64)
        wrong = np.abs(found - self.expected())
        return float(np.nan_to_num(wrong, nan=np.inf).max(initial=0.0))


@dataclass(frozen=True)
class FrameCase:
    """Masks at the frame's size: probabilities (n, rows, cols), the axes' cells and shares, and the room for words
    (n, H, ceil(W / 32)) or pixels (n, H, W).
    """

    probabilities: Array
    y: Axis
    x: Axis
    axes: tuple[Array, ...]  # cells and shares of y, then of x
    words: Array
    pixels: Array

    @classmethod
    def random(
        cls, rng: np.random.Generator, storage: str, cells: tuple[int, int, int], frame: tuple[int, int]
    ) -> FrameCase:
        """cells: instances, rows and columns of the masks, which stand for 4 pixels each; frame: height and width."""
        count, rows, cols = cells
        y, x = composed_axis(rows, 4, 4 * rows - 1, frame[0]), composed_axis(cols, 4, 4 * cols - 2, frame[1])
        return cls(
            placed(rng.uniform(0, 1, cells).astype(STORAGE[storage])),
            *(y, x, tuple(map(placed, (y.first, y.share, x.first, x.share)))),
            placed(np.full((count, frame[0], -(-frame[1] // WORD)), 0xAAAAAAAA, np.uint32)),
            placed(np.full((count, *frame), 0xAA, np.uint8)),
        )

    @property
    def storage(self) -> str:
        return "f32" if self.probabilities.dtype == np.float32 else "f16"

    @property
    def inputs(self) -> tuple[Array, ...]:
        return self.probabilities, *self.axes

    def op(self, address: Address = on_host) -> FrameMasks:
        probabilities, *axes = map(address, self.inputs)
        y, x = (FrameAxis(*axes[2 * i : 2 * i + 2], len(axis)) for i, axis in enumerate((self.y, self.x)))
        return FrameMasks(probabilities, y, x, *self.probabilities.shape)

    def expected(self) -> NDArray[np.bool_]:
        """(n, H, W): every pixel by three interpolations that round once each, as fused products do: the product of two
        float32 is exact in float64, and what remains of double rounding is one in 2^29.
        """

        def climb(low: Array, share: Array, rise: Array) -> Array:
            return (share.astype(np.float64) * rise + low).astype(np.float32)

        cells = self.probabilities.astype(np.float32)
        rows = []
        for y in (self.y.first, self.y.last):
            low, high = cells[:, y][:, :, self.x.first], cells[:, y][:, :, self.x.last]
            rows.append(climb(low, self.x.share, high - low))
        return np.asarray(climb(rows[0], self.y.share[:, None], rows[1] - rows[0]) > MASK_THRESHOLD)

    def differing(self, form: str, found: Array | None = None) -> int:
        """How many pixels of `words` or `pixels` (`form`) are wrong; set bits beyond the frame count too."""
        values = getattr(self, form) if found is None else found
        expected = self.expected()
        if form == "words":
            missing = values.shape[2] * WORD - expected.shape[2]
            expected = np.pad(expected, ((0, 0), (0, 0), (0, missing)))
            values = (values[..., None] >> np.arange(WORD, dtype=np.uint32) & 1).reshape(expected.shape)
        return int((values != expected).sum())
