"""Our side: the whole model runs on every frame, and then its answer is taken for one of crafted objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from stc.benchmarks.peers import scene
from stc.benchmarks.peers.turn import Array, Task, Turn
from stc.errors import InputError, Missing, StcError
from stc.runtime import loading
from stc.runtime.backends.backend import Backend
from stc.runtime.backends.cut import Cut, cut
from stc.runtime.bundle import contract
from stc.runtime.bundle import files as model_files
from stc.runtime.bundle.contract import TensorSpec
from stc.runtime.bundle.files import EngineFile
from stc.runtime.machine.engine_names import EngineName
from stc.runtime.native.library import Library
from stc.runtime.native.mask_head import MaskHead
from stc.runtime.session import Session

ENGINES: tuple[EngineName, ...] = ("onnxruntime", "openvino:fp32", "openvino:bf16", "openvino:int8")


class Crafting:
    """A backend that computes all that another does, and then the masks of crafted objects, and answers with those.

    So its own detections' masks are paid for too. `next` is the answer, made before the clock starts.
    """

    def __init__(self, backend: Backend, head: MaskHead, library: Library) -> None:
        self._backend, self._head, self._library = backend, head, library
        self.device, self.engine, self.mask_head = backend.device, backend.engine, backend.mask_head
        self.inputs: Mapping[str, TensorSpec] = backend.inputs
        self.outputs: Mapping[str, TensorSpec] = backend.outputs
        self.batches = backend.batches
        self.next: scene.Answer | None = None

    def run(self, frames: Any, timings: dict[str, float] | None = None) -> dict[str, Array]:
        found = self._backend.run(frames, timings)
        if self.next is None:
            return found
        return self.next.outputs | {contract.MASKS: self._head(self._library, *self.next.op)}

    def close(self) -> None:
        self._backend.close()


class Ours:
    """Session and stream of one engine."""

    side = "ours"

    def __init__(self, model: Path, engine: EngineName, threads: int, frames: Sequence[Array]) -> None:
        """Raises as `Session` does, and InputError for a model that the native mask head does not compute."""
        file = model_files.find(model, "cpu", engine=engine, trust=False)
        library = loading.native_library(True, threads)
        if isinstance(library, Missing):
            raise InputError(f"the native library is needed: {library.reason}")
        if isinstance(file, EngineFile) or not isinstance(rest := cut(file.path, library, file.cut), Cut):
            raise InputError(f"{model}: not a model whose mask head the native library computes")
        backend, passport = loading.load(file, threads, library)
        if passport.shortest_edge is not None:
            raise InputError(f"{model}: takes frames of any size; compare a model of one size (stc-export --size)")
        self.name: str = engine
        self._frames = frames
        self._crafting, self._head = Crafting(backend, rest.head, library), rest.head
        self._session = Session.from_backend(self._crafting, passport, str(model))
        self.engine = self._session.engine
        self._stream = self._session.stream()

    @property
    def input_size(self) -> tuple[int, int]:
        return self._session.passport.padded_size

    def close(self) -> None:
        self._session.close()

    def turn(self, task: Task) -> Turn:
        if task.new:
            self._stream = self._session.stream()
        turn = Turn([], [], [], [])
        for number, boxes in zip(task.frames, task.boxes, strict=True):
            frame, passport = self._frames[number], self._session.passport
            letterbox = passport.letterbox((frame.shape[0], frame.shape[1]))
            self._crafting.next = scene.answer(scene.to_input(boxes, letterbox), passport, self._head)
            wall, cpu = perf_counter(), process_time()
            result = self._stream(frame)
            masks = result.masks.dense()
            turn.cpu.append(process_time() - cpu)
            turn.wall.append(perf_counter() - wall)
            turn.ids.append(int((result.track_ids > 0).sum()))
            turn.masks.append(list(masks.shape))
        return turn


def load(model: Path, threads: int, frames: Sequence[Array]) -> tuple[list[Ours], dict[str, str]]:
    """One for each engine that runs here, and why the others do not. Raises InputError where none does."""
    tried = {engine: _tried(model, engine, threads, frames) for engine in ENGINES}
    runs = [found for found in tried.values() if isinstance(found, Ours)]
    without: dict[str, str] = {engine: str(found) for engine, found in tried.items() if not isinstance(found, Ours)}
    if not runs:
        raise InputError("; ".join(without.values()))
    return runs, without


def _tried(model: Path, engine: EngineName, threads: int, frames: Sequence[Array]) -> Ours | StcError:
    try:
        return Ours(model, engine, threads, frames)
    except StcError as error:
        return error
