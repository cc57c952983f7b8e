"""Step 8: frames that are still being written when they are handed over, and outputs that are still being read when the
next frame comes. A slow kernel on the other side makes a missing wait visible.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

from scripts.gpu.results import check, code, run, say
from scripts.gpu.session import Machine, frames, missing
from tests.plugins.kernel_cases import Array


def late(machine: Machine, values: Array) -> Any:
    """A frame on the GPU that its producer's stream has not written yet."""
    if machine.fake:
        _, pointer = machine.fake.cudaMalloc(values.nbytes)
        machine.fake.work(1, lambda: np.copyto(machine.fake.at(pointer, values.nbytes), values.reshape(-1)))
        interface = {"shape": values.shape, "typestr": "|u1", "data": (pointer, False), "version": 3, "stream": 1}
        return SimpleNamespace(__cuda_array_interface__=interface)
    import torch

    ready, frame = torch.from_numpy(values).cuda(), torch.zeros(values.shape, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    busy()
    frame.copy_(ready)
    return frame


def busy() -> None:
    """Some ten milliseconds of work on PyTorch's stream."""
    import torch

    product = torch.rand((4096, 4096), device="cuda")
    for _ in range(30):
        product = product @ product
        product /= product.max()


def main() -> int:
    if reason := missing():
        say("skip", "races with PyTorch", reason)
        return 0
    machine, rng = Machine(), np.random.default_rng(13)
    backend = machine.backend
    wrong = 0
    for _ in range(5):
        values = frames(rng, 1)
        expected, allowed = machine.masks(values)
        found = backend.run(backend.adopt(late(machine, values)))["masks"]
        wrong += int(np.abs(found - expected).max() > allowed)
    check(wrong == 0, "frames that are still being written, 5 times: read too early", str(wrong))
    wrong = sum(overwritten(machine, rng) for _ in range(5))
    check(wrong == 0, "outputs that are still being read, 5 times: overwritten", str(wrong))
    backend.close()
    return code()


def overwritten(machine: Machine, rng: np.random.Generator) -> bool:
    """Whether the next frame reaches masks that another library has taken and not yet read."""
    first, second = frames(rng, 1), frames(rng, 1)
    expected, allowed = machine.masks(first)
    there = machine.backend.run_on_device(first)["masks"]
    if machine.fake:
        there.__dlpack__(stream=1)
        kept = np.zeros(there.shape, np.float32)
        masks = machine.fake.at(there.pointer, there.nbytes).view(np.float32).reshape(there.shape)
        machine.fake.work(1, lambda: np.copyto(kept, masks))
    else:
        import torch

        taken = torch.utils.dlpack.from_dlpack(there)
        busy()
        copied = taken.clone()
    machine.backend.run_on_device(second)
    if machine.fake:
        machine.fake.cudaStreamSynchronize(1)
    else:
        kept = copied.cpu().numpy()
    return bool(np.abs(kept - expected).max() > allowed)


if __name__ == "__main__":
    sys.exit(run(main))
