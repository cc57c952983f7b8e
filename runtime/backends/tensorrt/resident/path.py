"""The way of a batch of frames of any sizes on a GPU: resized into the engine's input, and masks out of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from stc.runtime.backends.tensorrt.bindings import Bindings
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.execution import Around
from stc.runtime.backends.tensorrt.gpu_clock import BEGIN, COMPUTED, FETCHED, UPLOADED, GpuClock
from stc.runtime.backends.tensorrt.resident import resizing
from stc.runtime.backends.tensorrt.resident.frame import Placed
from stc.runtime.backends.tensorrt.resident.kernels import Kernels, Launch
from stc.runtime.backends.tensorrt.resident.lanes import Lanes
from stc.runtime.backends.tensorrt.resident.memory import Buffer, Tables, close_all
from stc.runtime.backends.tensorrt.resident.objects import Answer, Objects, Wish
from stc.runtime.backends.tensorrt.resident.staging import Staged, Staging
from stc.runtime.bundle.contract import INPUT, MASKS
from stc.runtime.letterbox import Letterbox
from stc.runtime.native.library import STORAGE


@dataclass(frozen=True, eq=False)
class Unresized:
    """A frame of any size, from the host or on the GPU, and what is to become of it."""

    frame: Staged | Placed
    letterbox: Letterbox
    wish: Wish


class Shared:
    """What all frames of an engine share, whichever buffers they have: kernels, streams, tables of sizes, and pinned
    memory for frames of the host.
    """

    def __init__(self, cuda: Cuda, kernels: Kernels, lanes: Lanes, stride: int, release: ExitStack) -> None:
        """stride: input pixels of a mask's cell."""
        self.cuda, self.lanes, self.stride = cuda, lanes, stride
        self._kernels = kernels
        self.tables = Tables(cuda, lanes.compute)
        release.callback(self.tables.close)
        self.staging = Staging(cuda)
        release.callback(self.staging.close)

    def enqueue(self, launches: Sequence[Launch], stream: Any) -> None:
        """Raises as `Kernels.enqueue`."""
        self._kernels.enqueue(launches, self.cuda, stream)


class ResidentPath:
    """With a set of buffers of its own: for one batch, from `upload` until the host has waited for `FETCHED`.

    Calls of one thread at a time, with the GPU current, before and after those of the engine on the same buffers. What
    one stream does for another is held up by the points of `clock`; that the set is used again only when all is done
    needs no such order.
    """

    def __init__(self, shared: Shared, addresses: dict[str, int], clock: GpuClock, release: ExitStack) -> None:
        """addresses: of the engine's tensors."""
        self._shared, self._addresses, self._clock = shared, addresses, clock
        self._there: list[Buffer] = []  # frames of the host, one for each place in a batch
        self._objects: list[Objects] = []
        self._packing: list[Launch] = []
        release.callback(self._close)

    def upload(self, pictures: Sequence[Unresized]) -> list[Placed]:
        """Where each frame is on the GPU, once the engine's stream gets there."""
        lanes = self._shared.lanes
        self._clock.mark(BEGIN, lanes.upload)
        placed = [
            picture.frame if isinstance(picture.frame, Placed) else self._uploaded(picture.frame, index)
            for index, picture in enumerate(pictures)
        ]
        self._clock.mark(UPLOADED, lanes.upload)
        self._clock.hold(lanes.compute, UPLOADED)
        for stream in sorted({stream for frame in placed for stream in frame.streams}):
            self._shared.cuda.wait_for(stream, lanes.compute)
        return placed

    def around(self, pictures: Sequence[Unresized], placed: Sequence[Placed], bindings: Bindings) -> Around:
        """What goes before and after the engine. A graph holds addresses: what other libraries' frames need, which lie
        anywhere, is not among it, but put on the stream now.
        """
        before: list[Launch] = []
        ahead: list[Launch] = []
        after: list[Launch] = []
        self._packing = []
        shared, size = self._shared, bindings.frames.nbytes(1)
        for index, (picture, frame) in enumerate(zip(pictures, placed, strict=True)):
            target = self._addresses[INPUT] + index * size
            resize = resizing.launch(frame, picture.letterbox, shared.tables, target)
            (ahead if frame is picture.frame else before).append(resize)
            while len(self._objects) <= index:
                self._objects.append(Objects(shared.cuda, shared.tables, shared.stride, len(self._objects)))
            launches = self._objects[index].launches(bindings, self._addresses, picture.letterbox, picture.wish)
            after += launches.made
            self._packing.append(launches.packed)
        compute = shared.lanes.compute
        shared.enqueue(ahead, compute)
        key = tuple(launch.key for launch in (*before, *after))
        return Around(key, lambda: shared.enqueue(before, compute), lambda: shared.enqueue(after, compute))

    def download(self, counts: tuple[int, int, int]) -> None:
        """Of the pictures of `around`, once the engine is through. counts: target, source and bytes of the numbers of
        detections.
        """
        back = self._shared.lanes.download
        self._clock.hold(back, COMPUTED)
        self._shared.enqueue(self._packing, back)
        self._shared.cuda.download(*counts, back)
        self._clock.mark(FETCHED, back)

    def answers(self, pictures: Sequence[Unresized], bindings: Bindings) -> list[Answer]:
        """What came of each picture, when the GPU has passed `FETCHED`."""
        return [self._answer(index, picture, bindings) for index, picture in enumerate(pictures)]

    def _uploaded(self, staged: Staged, index: int) -> Placed:
        while len(self._there) <= index:
            self._there.append(Buffer(self._shared.cuda, None))
        address = self._there[index].reserve(staged.size_in_bytes)
        self._shared.cuda.upload(address, staged.buffer.address, staged.size_in_bytes, self._shared.lanes.upload)
        return staged.placed(address)

    def _answer(self, index: int, picture: Unresized, bindings: Bindings) -> Answer:
        objects, shared = self._objects[index], self._shared
        while (answer := objects.read()) is None:
            launches = objects.launches(bindings, self._addresses, picture.letterbox, picture.wish)
            shared.enqueue([*launches.made, launches.packed], shared.lanes.compute)
            shared.cuda.synchronize(shared.lanes.compute)
        return answer

    def _close(self) -> None:
        with ExitStack() as release:
            release.callback(close_all, (*self._there, *(b for objects in self._objects for b in objects.buffers)))
            self._shared.lanes.synchronize()


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
