"""Masks of a frame that was on a GPU: bits came with the frame, the rest is asked of the GPU while it is there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stc.errors import StaleError
from stc.runtime.backends.tensorrt.bindings import Bindings
from stc.runtime.backends.tensorrt.device_array import DeviceArray
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.box_bits import BoxBits
from stc.runtime.masks.masks import Masks
from stc.runtime.masks.outlines import outlines
from stc.runtime.masks.pixel_buffer import PixelBuffer


class Engine(Protocol):
    """What has the probabilities of the last pictures that it ran; of others it raises StaleError."""

    def probabilities(self, origin: FrameOrigin, rows: NDArray[np.int32]) -> NDArray[Any]: ...

    def frame_bits(self, origin: FrameOrigin, rows: NDArray[np.int32]) -> DeviceArray: ...


@dataclass(frozen=True, eq=False)
class FrameOrigin:
    """A picture of run number `run` of an engine, whose tensors were `bindings`; `masks`: the address of its own."""

    engine: Engine
    run: int
    masks: int
    bindings: Bindings
    letterbox: Letterbox


@dataclass(frozen=True, eq=False)
class KeptRows:
    """What stands for the masks (1, n, Hm, Wm) among the outputs for one picture: `[0, rows]` gives those of rows.

    rows: int32 (n,), of the model's outputs. given: the probabilities (n, Hm, Wm) where they came with the frame.
    """

    bits: BoxBits
    rows: NDArray[np.int32]
    origin: FrameOrigin | None
    given: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: tuple[int, NDArray[np.intp]]) -> KeptRows:
        _, chosen = index
        return self.take(chosen)

    def take(self, chosen: NDArray[np.intp]) -> KeptRows:
        given = None if self.given is None else self.given[chosen]
        return KeptRows(self.bits.take(chosen), self.rows[chosen], self.origin, given)

    def probabilities(self) -> NDArray[Any]:
        """(n, Hm, Wm). Raises StaleError where they are neither here nor on the GPU any more."""
        if self.given is not None:
            return self.given
        if self.origin is None:
            raise StaleError("a copy of a frame's masks has no probabilities: they stayed on the GPU")
        return self.origin.engine.probabilities(self.origin, self.rows)


class KeptMasks(Masks):
    """As `Masks`, answered from bits that the GPU made: equal to the last one, with nothing left to compute but forms.

    `probabilities` and `bits(device=True)` are asked of the GPU, and raise StaleError once the session has run another
    frame: those of that one are never given for these.
    """

    def __init__(self, kept: KeptRows, letterbox: Letterbox, mask_stride: int) -> None:
        self._kept, self.letterbox, self.mask_stride = kept, letterbox, mask_stride

    @property
    def probabilities(self) -> NDArray[Any]:  # type: ignore[override]  # fetched when asked for
        """(n, Hm, Wm) in 0..1 as the engine gave them. Raises StaleError."""
        return self._kept.probabilities()

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: Any) -> KeptMasks:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        part = KeptMasks(self._kept.take(chosen), self.letterbox, self.mask_stride)
        if "_encoded" in self.__dict__:
            texts, areas = self._encoded
            part.__dict__["_encoded"] = [texts[row] for row in chosen], areas[chosen]
        return part

    def __getstate__(self) -> dict[str, Any]:
        """Pixels and no GPU: the words of these objects alone."""
        kept = KeptRows(self._kept.bits.alone(), self._kept.rows, None, self._kept.given)
        return self.__dict__ | {"_kept": kept}

    def dense(self, into: PixelBuffer | None = None) -> NDArray[np.bool_]:
        return self._kept.bits.dense(into)

    def bits(self, *, device: bool = False) -> Any:
        """As `Masks.bits`. device: in GPU memory, a `DeviceArray` that is the caller's. Raises StaleError there."""
        if not device:
            return self._kept.bits.bits()
        if (origin := self._kept.origin) is None:
            raise StaleError("a copy of a frame's masks has nothing in GPU memory; ask without device=True")
        return origin.engine.frame_bits(origin, self._kept.rows)

    def areas(self) -> NDArray[np.int64]:
        return self._kept.bits.areas.copy()

    def boxes(self) -> NDArray[np.int32]:
        return self._kept.bits.tight.copy()

    def polygons(self, *, holes: bool = True) -> list[list[NDArray[np.float32]]]:
        return [outlines(mask.dense()[0], holes=holes) for mask in self]

    @cached_property
    def _encoded(self) -> tuple[list[str], NDArray[np.int64]]:
        return self._kept.bits.rle()


def probabilities_of(found: NDArray[Any] | KeptRows) -> NDArray[Any]:
    """(n, Hm, Wm), whichever way the frame went. Raises StaleError."""
    return found.probabilities() if isinstance(found, KeptRows) else found
