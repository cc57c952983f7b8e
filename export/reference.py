"""What PyTorch float32 makes of the reference frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stc.benchmarks.reference import FrameOutputs, Reference, valid_rows
from stc.model.network import STC, STCDeploy

Array = NDArray[Any]


def run(model: STC, frames: Array) -> tuple[Reference, dict[str, Array]]:
    """Outputs of all frames (uint8 (T, H, W, 3) at the input size), and every intermediate tensor of the first one."""
    deploy = STCDeploy(model.eval())
    outputs: list[FrameOutputs] = []
    first_stages: dict[str, Array] = {}
    with torch.inference_mode():
        for frame in frames:
            stages, tensors = deploy.trace(torch.from_numpy(np.ascontiguousarray(frame))[None])
            outputs.append(valid_rows({name: value.numpy() for name, value in tensors.items()}))
            first_stages = first_stages or {name: value.numpy() for name, value in stages.items()}
    return Reference(frames, tuple(outputs)), first_stages
