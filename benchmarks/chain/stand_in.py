"""An engine that takes no processor: it waits, as for a GPU, and gives recorded detections of objects that move."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from time import sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.bundle import contract
from stc.runtime.bundle.contract import TensorSpec
from stc.runtime.bundle.passport import Passport

Array = NDArray[Any]
RECORDED = 16  # frames, shown again and again

PASSPORT = Passport(  # the demo model's numbers
    name="stand-in",
    classes=("object",),
    input_size=(256, 448),
    padded_size=(256, 448),
    resize="area",
    border=(0, 0, 0),
    max_detections=50,
    embedding_dim=256,
    mask_stride=4,
    score_threshold=0.3,
    nms_threshold=0.6,
    tracker={},
)


class StandIn:
    """A backend (`Backend`) of `objects` discs in half precision; `seconds` that a call waits."""

    device, engine, mask_head = "cuda", "a stand-in that sleeps", "recorded"
    batches = (1, 1)

    def __init__(self, objects: int, seconds: float) -> None:
        self.inputs: Mapping[str, TensorSpec] = {contract.INPUT: contract.input_spec(PASSPORT)}
        self.outputs: Mapping[str, TensorSpec] = contract.output_specs(PASSPORT)
        self._seconds = seconds
        self._recorded = [recorded(objects, number) for number in range(RECORDED)]
        self._calls = count()

    def run(self, frames: Array, timings: dict[str, float] | None = None) -> dict[str, Array]:
        if self._seconds:
            sleep(self._seconds)
        return self._recorded[next(self._calls) % RECORDED]

    def close(self) -> None:
        pass


def recorded(objects: int, number: int) -> dict[str, Array]:
    """The outputs for frame `number`: at least one disc, on a grid, which sway, each with an embedding of its own."""
    (height, width), stride = PASSPORT.input_size, PASSPORT.mask_stride
    rows = PASSPORT.max_detections
    random = np.random.default_rng(0)
    columns = int(np.ceil(np.sqrt(objects * width / height)))
    radius = 0.4 * width / columns
    place = np.arange(objects)
    sway = 0.1 * radius * np.sin(2 * np.pi * number / RECORDED)
    centre_x = (place % columns + 0.5) * width / columns + sway
    centre_y = (place // columns + 0.5) * width / columns
    y, x = np.mgrid[0 : height // stride, 0 : width // stride] * float(stride)
    distance = np.hypot(x - centre_x[:, None, None], y - centre_y[:, None, None])
    limit = np.array([width, height, width, height])
    corners = np.stack([centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius], axis=1)
    found: dict[str, Array] = {
        "boxes": corners.clip(0, limit),
        "scores": np.linspace(0.95, 0.6, objects),
        "labels": np.zeros(objects),
        "masks": 1 / (1 + np.exp((distance - radius) / stride)),
        "embeddings": random.normal(size=(objects, PASSPORT.embedding_dim)),
    }
    types = {"labels": np.int32, "masks": np.float16}
    outputs: dict[str, Array] = {contract.COUNT: np.array([objects], np.int32)}
    for name, values in found.items():
        filled = np.full((1, rows, *values.shape[1:]), contract.FILL.get(name, 0), types.get(name, np.float32))
        filled[0, :objects] = values
        outputs[name] = filled
    return outputs
