"""Outputs of the demo model, recorded once and played back by a backend: hours of video at the price of seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stc.export.graph.graph import trace, with_passport
from stc.model import checkpoint
from stc.model.checkpoint.passport import passport_of
from stc.runtime import Passport, Session
from stc.runtime.bundle import contract
from stc.runtime.bundle.contract import FILL

ASSETS = Path(__file__).parents[3] / "assets"
WINDOW = (504, 896)  # (H, W) of the camera's picture

Array = np.ndarray[Any, Any]


def camera(length: int) -> list[Array]:
    """`length` pictures of a camera that swings over the photographs of `scene.jpg`, while a post crosses in front."""
    scene = cv2.imread(str(ASSETS / "scene.jpg"))
    height, width = WINDOW
    reach = scene.shape[1] - width
    pictures = []
    for number in range(length):
        x = int((0.5 - 0.5 * np.cos(number / 15)) * reach)
        picture = scene[:height, x : x + width].copy()
        post = number * 37 % (2 * width) - width // 2
        picture[:, max(0, post) : max(0, post + width // 2)] = (90, 80, 70)
        pictures.append(picture)
    return pictures


def demo_model(target: Path) -> Path:
    """The ONNX file of the demo's checkpoint, its passport inside; not compared with PyTorch."""
    path = ASSETS / "stc-lite-2.safetensors"
    source = checkpoint.load(path)
    graph = with_passport(trace(source.model).deployed, passport_of(source, path.name, path.stem))
    target.write_bytes(graph.SerializeToString())
    return target


@dataclass(frozen=True)
class Recording:
    """Valid rows of the outputs of consecutive frames, by name."""

    passport: Passport
    rows: tuple[dict[str, Array], ...]

    @classmethod
    def of(cls, session: Session, pictures: list[Array]) -> Recording:
        rows = []
        for picture in pictures:
            _, inputs = session.stream().prepare(picture)
            outputs = session.infer(inputs[None])
            count = int(outputs.pop(contract.COUNT)[0])
            rows.append({name: value[0, :count].copy() for name, value in outputs.items()})
        return cls(session.passport, tuple(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def frame(self, number: int) -> Array:
        """A frame of the input size that the backend recognises: its number is in its first pixel."""
        picture = np.zeros((*self.passport.input_size, 3), np.uint8)
        picture[0, 0] = number % 256, number // 256, 0
        return picture


class ReplayBackend:
    """Gives for each picture what was recorded of the frame whose number it bears."""

    device, engine, mask_head = "cpu", "recorded outputs", "recorded"

    def __init__(self, recording: Recording, batches: tuple[int, int | None] = (1, None)) -> None:
        self._recording, self.batches = recording, batches
        passport = recording.passport
        self.inputs = {contract.INPUT: contract.input_spec(passport)}
        self._specs = contract.output_specs(passport)
        self.outputs = {name: contract.TensorSpec(s.dtypes[:1], s.shape) for name, s in self._specs.items()}

    def run(self, frames: Array, timings: dict[str, float] | None = None) -> dict[str, Array]:
        outputs = {
            name: np.full((len(frames), *spec.shape[1:]), FILL[name], spec.dtypes[0])
            if name in FILL
            else np.zeros((len(frames), *(size or 0 for size in spec.shape[1:])), spec.dtypes[0])
            for name, spec in self._specs.items()
        }
        for index, first in enumerate(frames[:, 0, 0].tolist()):
            rows = self._recording.rows[first[0] + 256 * first[1]]
            outputs[contract.COUNT][index] = len(rows["scores"])
            for name, values in rows.items():
                outputs[name][index, : len(values)] = values
        return outputs

    def close(self) -> None:
        """Nothing to give back."""
