"""Our own weight file: safetensors with the whole config in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import InputError
from stc.files import atomic_path
from stc.model.network import STC

CONFIG_KEY = "stc.config"
ASSUMED_KEY = "stc.assumed"


def weights(model: STC) -> dict[str, Tensor]:
    """All parameters and statistics of `model` by name; the counters of batch norm are for training only."""
    return {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def save(
    model: STC, path: str | Path, dtype: torch.dtype = torch.float32, assumed: Mapping[str, str] | None = None
) -> None:
    """Write `model` to `path` (`.safetensors`), atomically; `stc.model.checkpoint.load` reads it back.

    dtype: float32 or float16, storage of the convolution weights. Vectors (norms, biases, scales) stay float32: they
    are a hundredth of the size, and small variances do not survive float16. Loading widens to float32.
    assumed: topic -> in words, what the config of a model from elsewhere rests on; loading gives it back.
    Raises InputError for another suffix or dtype, when a weight does not fit `dtype`, or `path` cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: weights are saved as .safetensors; choose a name that ends so")
    if dtype not in (torch.float32, torch.float16):
        raise InputError(f"{dtype}: weights are stored as float32 or float16")
    tensors = {}
    for name, tensor in weights(model).items():
        stored = tensor.detach().to("cpu", dtype if tensor.ndim > 1 else torch.float32).contiguous()
        if not stored.isfinite().all():
            raise InputError(f"{path}: {name} holds numbers that are not finite in {stored.dtype}; nothing was written")
        tensors[name] = stored
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    metadata = {CONFIG_KEY: json.dumps(model.config.to_dict()), "format": "pt"}
    if assumed:
        metadata[ASSUMED_KEY] = json.dumps(dict(assumed))
    try:
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)
    except SafetensorError as error:
        raise InputError(f"{path}: cannot be written ({error}); choose another place") from error
