"""The way of a batch of frames of any sizes on a GPU: resized into the engine's input, and masks out of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import StaleError
from stc.runtime.backends.tensorrt.bindings import Bindings, Tensor
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.execution import Around
from stc.runtime.backends.tensorrt.resident import resizing
from stc.runtime.backends.tensorrt.resident.frame import Placed
from stc.runtime.backends.tensorrt.resident.kernels import Kernels, Launch
from stc.runtime.backends.tensorrt.resident.memory import Buffer, Tables, close_all
from stc.runtime.backends.tensorrt.resident.objects import Answer, Objects, Wish, frame_masks
from stc.runtime.backends.tensorrt.resident.staging import Staged, Staging
from stc.runtime.bundle.contract import INPUT, MASKS
from stc.runtime.letterbox import Letterbox
from stc.runtime.native.cuda_interface import WORD, Rows
from stc.runtime.native.library import STORAGE


@dataclass(frozen=True, eq=False)
class Unresized:
    """A frame of any size, from the host or on the GPU, and what is to become of it."""

    frame: Staged | Placed
    letterbox: Letterbox
    wish: Wish


class ResidentPath:
    """Calls of one thread at a time, with the GPU current, before and after those of the engine on the same stream.

    `run` numbers the engine's runs: what is asked of an earlier one's outputs is refused, for they are gone.
    """

    def __init__(
        self,
        cuda: Cuda,
        kernels: Kernels,
        stream: Any,
        addresses: dict[str, int],
        stride: int,
        release: ExitStack,
    ) -> None:
        """addresses: of the engine's tensors. stride: input pixels of a mask's cell."""
        self._cuda, self._kernels, self._stream, self._addresses = cuda, kernels, stream, addresses
        self._stride = stride
        self.run = 0
        self._tables = Tables(cuda, stream)
        release.callback(self._tables.close)
        self._objects: list[Objects] = []
        self.staging = Staging(cuda, stream)
        release.callback(self.staging.close)
        release.callback(self._close)

    def upload(self, pictures: Sequence[Unresized]) -> list[Placed]:
        """Where each frame is on the GPU, once the stream gets there."""
        placed = [
            picture.frame if isinstance(picture.frame, Placed) else self.staging.upload(picture.frame, index)
            for index, picture in enumerate(pictures)
        ]
        for stream in sorted({stream for frame in placed for stream in frame.streams}):
            self._cuda.wait_for(stream, self._stream)
        return placed

    def around(self, pictures: Sequence[Unresized], placed: Sequence[Placed], bindings: Bindings) -> Around:
        """What goes before and after the engine. A graph holds addresses: what other libraries' frames need, which lie
        anywhere, is not among it, but put on the stream now.
        """
        before: list[Launch] = []
        ahead: list[Launch] = []
        after: list[Launch] = []
        size = bindings.frames.nbytes(1)
        for index, (picture, frame) in enumerate(zip(pictures, placed, strict=True)):
            target = self._addresses[INPUT] + index * size
            resize = resizing.launch(frame, picture.letterbox, self._tables, target)
            (ahead if frame is picture.frame else before).append(resize)
            while len(self._objects) <= index:
                self._objects.append(Objects(self._cuda, self._stream, self._tables, self._stride, len(self._objects)))
            after += self._objects[index].launches(bindings, self._addresses, picture.letterbox, picture.wish)
        self._enqueue(ahead)
        key = tuple(launch.key for launch in (*before, *after))
        return Around(key, lambda: self._enqueue(before), lambda: self._enqueue(after))

    def answers(self, pictures: Sequence[Unresized], bindings: Bindings) -> list[Answer]:
        """What came of each picture; the stream is through with it."""
        return [self._answer(index, picture, bindings) for index, picture in enumerate(pictures)]

    def probabilities(self, run: int, index: int, rows: NDArray[np.int32], masks: Tensor) -> NDArray[Any]:
        """(n, Hm, Wm) as the engine gave them, of rows of picture `index` of a run. Raises StaleError."""
        self._check(run)
        found = np.empty((len(rows), *masks.row[1:]), masks.dtype)
        size, begin = found[:1].nbytes, self._addresses[MASKS] + index * masks.nbytes(1)
        for target, row in zip(found, rows.tolist(), strict=True):
            self._cuda.fetch(target.ctypes.data, begin + row * size, size)
        return found

    def frame_bits(self, run: int, index: int, rows: NDArray[np.int32], masks: Tensor, letterbox: Letterbox) -> Buffer:
        """uint32 (n, H0, ceil(W0 / 32)) of rows of picture `index` of a run, complete. Raises StaleError."""
        self._check(run)
        n, (height, width) = len(rows), letterbox.frame_size
        pitch = -(-width // WORD)
        op, storage = frame_masks(
            masks, self._addresses[MASKS] + index * masks.nbytes(1), letterbox, self._stride, self._tables
        )
        told: list[NDArray[Any]] = [
            rows,
            np.array([n], np.int32),
            np.tile(np.array([0, 0, width, height], np.int32), (n, 1)),
            np.arange(n + 1, dtype=np.int64) * height * pitch,
        ]
        words = Buffer(self._cuda, self._stream)
        with ExitStack() as release:
            release.callback(words.close)
            words.reserve(max(1, 4 * n * height * pitch))
            own = Tables(self._cuda, self._stream)
            with ExitStack() as after:
                after.callback(own.close)
                where, count, boxes, offsets = own.put("rows", told)
                room = n * height * pitch
                launch = Launch(
                    "stc_cuda_box_bits", (op, storage, Rows(where, count, n), boxes, offsets, words.address, room)
                )
                self._enqueue([launch])
            self._cuda.synchronize(self._stream)
            release.pop_all()
        return words

    def _check(self, run: int) -> None:
        if run != self.run:
            raise StaleError(
                "the masks of this frame have left the GPU: its session has run another frame since; ask before that, "
                "or ask for what is on the host: rle(), areas(), boxes(), bits(), dense(), polygons()"
            )

    def _answer(self, index: int, picture: Unresized, bindings: Bindings) -> Answer:
        objects = self._objects[index]
        while (answer := objects.read()) is None:
            self._enqueue(objects.launches(bindings, self._addresses, picture.letterbox, picture.wish))
            self._cuda.synchronize(self._stream)
        return answer

    def _enqueue(self, launches: Sequence[Launch]) -> None:
        self._kernels.enqueue(launches, self._cuda, self._stream)

    def _close(self) -> None:
        close_all(buffer for objects in self._objects for buffer in objects.buffers)


def unsupported(bindings: Bindings) -> str:
    """Why the kernels cannot take an engine's outputs; "" where they can."""
    needed = {"scores": np.float32, "labels": np.int32}
    rows = {tensor.name: tensor for tensor in bindings.rows}
    if absent := sorted({*needed, MASKS} - set(rows)):
        return "it gives no " + ", no ".join(absent)
    wrong = [f"{name} is not {np.dtype(kind)}" for name, kind in needed.items() if rows[name].dtype != kind]
    wrong += [f"a row of {t.name} is no multiple of 4 bytes" for t in rows.values() if t.nbytes(1) // t.row[0] % 4]
    if rows[MASKS].dtype not in STORAGE:
        wrong.append(f"masks are {rows[MASKS].dtype}")
    return "; ".join(wrong)
