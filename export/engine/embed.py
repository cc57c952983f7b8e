"""The mask head's kernel inside the plan: TensorRT's ahead-of-time plugins (10.9 and newer).

The plan then needs neither Python nor a plugin library where it runs. Never executed on a GPU.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stc.errors import InputError, Missing
from stc.files import sha256
from stc.runtime.machine import plugin
from stc.runtime.mask_head_op import DOMAIN, OP, Attributes

FILE = plugin.FILE.with_name("stc_mask_head.ptx")  # both are built together

# What the kernel was compiled for and how it is launched; plugins/cuda/ says the same.
BAKED = Attributes(channels=8, layers=3, stride=8, upsample=2)
ENTRY = {"FLOAT": "stc_dynamic_mask_head_f32", "HALF": "stc_dynamic_mask_head_f16"}  # by the type of mask_feats
ROWS = 8  # of mask_feats per block
THREADS = 128
HALO = 2  # rows of mask logits that a block computes beside its own
TABLE = 256  # floats of shared memory for the parameters of an instance
FLOAT_SIZE = 4


@dataclass(frozen=True)
class EmbeddedKernel:
    """The PTX file and its SHA-256."""

    path: Path
    sha256: str


def find() -> EmbeddedKernel | Missing:
    """The kernel that was installed with stc, or why there is none."""
    if not FILE.is_file():
        return Missing(f"{FILE.name} is not installed; in a checkout, with nvcc: make plugin")
    return EmbeddedKernel(FILE, sha256(FILE))


def register(module: Any, kernel: EmbeddedKernel, head: Attributes) -> None:
    """Make `stc::DynamicMaskHead` known to the parser of `module`, a TensorRT with ahead-of-time plugins.

    It has no attributes there: what they say is in the kernel, and TensorRT 10.9 to 11.1 turns integer attributes into
    Python's in a way that NumPy 2.4 refuses.

    Raises InputError when the kernel was not compiled for `head`.
    """
    if head != BAKED:
        raise InputError(
            f"--plugin embed: the kernel is compiled for {BAKED}, this model has {head}; use: --plugin none"
        )
    _register(module, kernel.path.read_bytes())


@lru_cache(maxsize=1)
def _register(module: Any, ptx: bytes) -> None:
    """Once per process: TensorRT refuses a second definition."""
    trtp: Any = importlib.import_module(f"{module.__name__}.plugin")
    tensors = dict.fromkeys(("mask_feats", "params", "locations", "sizes", "count"), trtp.TensorDesc)
    outputs = {"outputs": tuple[trtp.TensorDesc]}

    def describe(mask_feats: Any, params: Any, locations: Any, sizes: Any, count: Any) -> Any:
        masks = mask_feats.like()
        masks.shape_expr[1] = params.shape_expr[1]
        masks.shape_expr[2] = mask_feats.shape_expr[2] * BAKED.upsample
        masks.shape_expr[3] = mask_feats.shape_expr[3] * BAKED.upsample
        return masks

    def combinations(mask_feats: Any, params: Any, locations: Any, sizes: Any, count: Any, outputs: Any) -> list[Any]:
        # mask_feats, params and masks are stored alike, in one of two types.
        return [trtp.AutoTuneCombination("FP32|FP16, FP32|FP16, FP32, FP32, INT32, FP32|FP16")]

    def launch(
        mask_feats: Any, params: Any, locations: Any, sizes: Any, count: Any, outputs: Any, tactic: int
    ) -> tuple[str, bytes, Any, Any]:
        batch, _, height, width = (mask_feats.shape_expr[axis] for axis in range(4))
        instances = params.shape_expr[1]
        parameters = trtp.KernelLaunchParams(
            grid_x=trtp.cdiv(height, ROWS),
            grid_y=instances,
            grid_z=batch,
            block_x=THREADS,
            shared_mem=(width * (ROWS + HALO) + TABLE) * FLOAT_SIZE,
        )
        # After the inputs and before the output: instances, height, width.
        scalars = trtp.SymIntExprs.from_tuple((instances, height, width))
        return ENTRY[mask_feats.dtype.name], ptx, parameters, scalars

    launched = tuple[str, bytes, trtp.KernelLaunchParams, trtp.SymIntExprs]
    _define(trtp.register, describe, {**tensors, "return": trtp.TensorDesc})
    _define(trtp.autotune, combinations, {**tensors, **outputs, "return": list[trtp.AutoTuneCombination]})
    _define(trtp.aot_impl, launch, {**tensors, **outputs, "tactic": int, "return": launched})


def _define(decorator: Any, function: Callable[..., Any], annotations: dict[str, Any]) -> None:
    """Apply one of TensorRT's decorators, which read the annotations as objects and know only their own classes."""
    function.__annotations__ = annotations
    decorator(f"{DOMAIN}::{OP}")(function)
