"""Step 7: our TensorRT backend with the real CUDA runtime, over an engine of PyTorch and our kernel: buffers, copies of
valid rows, captured graphs, arrays that stay on the GPU.
"""

from __future__ import annotations

import logging
import sys

import numpy as np

from scripts.gpu import place
from scripts.gpu.results import check, code, run, say
from scripts.gpu.session import INSTANCES, Machine, frames, missing, view_gpu, view_host


class Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main() -> int:
    if reason := missing():
        say("skip", "the runtime over a stand-in engine", reason)
        return 0
    machine, rng, warnings = Machine(), np.random.default_rng(12), Warnings()
    logging.getLogger("stc").addHandler(warnings)
    backend = machine.backend
    for batch in (1, 2):
        worst = allowed = 0.0
        for _ in range(4):  # plain and captured, then replayed
            given = frames(rng, batch)
            expected, allowed = machine.masks(given)
            found = backend.run(given)
            worst = max(worst, float(np.abs(found["masks"] - expected).max()))
        check(worst <= allowed, f"frames in, masks out, {batch} at once: largest error", f"{worst:.2e}")
        counts = found["num_detections"].tolist()
        check(counts == [INSTANCES, INSTANCES - 2][:batch], "counts", str(counts))
    check(not warnings.said, "graphs were captured", "; ".join(warnings.said))
    given = frames(rng, 1)
    there = backend.run_on_device(given)["masks"]
    view = view_host if place.DRY else view_gpu
    there_masks = view(there.pointer, there.shape, np.float32).cpu().numpy()
    error = float(np.abs(there_masks - machine.masks(given)[0]).max())
    check(error <= machine.masks(given)[1], "masks that stay on the GPU: largest error", f"{error:.2e}")
    backend.close()
    if machine.fake:
        check(not machine.fake.memory, "closing gives all memory back")
    return code()


if __name__ == "__main__":
    sys.exit(run(main))
