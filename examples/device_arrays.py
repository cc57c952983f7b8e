"""Frames and results that stay in GPU memory: `python device_arrays.py MODEL/engine.plan`.

Never executed on a GPU. Any array with `__dlpack__` or `__cuda_array_interface__` goes in (PyTorch, CuPy, Numba,
PyCUDA); the outputs are such arrays too, without a copy, valid until the session's next call. Neither side needs to
synchronise: the session waits for what PyTorch has still to do on its current stream, with the frames and, before it
writes the next outputs, with these.
"""

import sys

import torch

from stc.runtime import Session


def main(model: str) -> None:
    with Session(model, device="cuda") as session:
        height, width = session.passport.input_size
        least, _ = session.batches
        # Your decoder's surface: uint8 (B, H, W, 3) BGR at the model's input size.
        frames = torch.zeros((least, height, width, 3), dtype=torch.uint8, device="cuda")
        outputs = session.infer_on_device(frames)
        counts = torch.from_dlpack(outputs["num_detections"])
        masks = torch.from_dlpack(outputs["masks"])  # (B, K, Hm, Wm); rows at and beyond the count are 0
        for picture, count in enumerate(counts.tolist()):
            pixels = (masks[picture, :count] > 0.5).sum().item()
            print(f"picture {picture}: {count} detections, {pixels} mask cells, on {masks.device}")


if __name__ == "__main__":
    main(*sys.argv[1:])
