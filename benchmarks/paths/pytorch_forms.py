"""A model run by PyTorch in the forms that others use: baselines of `benchmarks/paths/__main__.py`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stc.benchmarks.kernels import frame_mask_baselines
from stc.benchmarks.kernels.mask_head_baselines import grouped_convolution
from stc.benchmarks.models.pytorch import Network
from stc.model.config import MaskHeadAttributes
from stc.model.fold import fold_batch_norms
from stc.model.network import STC, STCDeploy
from stc.runtime.result import Result

# What the baselines of the mask head are written for.
MASK_NETWORK = MaskHeadAttributes(channels=8, layers=3, stride=8, upsample=2)


def compiled(model: STC) -> Network:
    """The fastest form found: batch norms folded, channels last, torch.topk, torch.compile (inductor). It needs a C++
    compiler and half a minute before its first frame."""
    fast = copy.deepcopy(model).eval()
    fold_batch_norms(fast)
    fast = fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return torch.compile(STCDeploy(fast, top_k=_top_k).eval(), dynamic=False)


def adelaidet(model: STC) -> Network:
    """AdelaiDet's: eager, its grouped convolution over the instances that were found, torch.topk. Decode and NMS are
    ours in all forms. Batches of one picture.

    Raises ValueError for a mask network of another size than AdelaiDet's.
    """
    if model.config.mask_head != MASK_NETWORK:
        raise ValueError("AdelaiDet's form is written for 8 channels, 3 layers, stride 8 and masks at stride 4")
    return STCDeploy(model, mask_head=_grouped, top_k=_top_k).eval()


def adelaidet_masks(result: Result) -> Any:
    """AdelaiDet's post-process and COCO's encoder, on what a session found."""
    masks = result.masks
    case = frame_mask_baselines.FrameMaskCase(_writable(masks.probabilities), masks.letterbox, masks.mask_stride)
    return frame_mask_baselines.adelaidet_rle(case)() if len(case) else []


def _top_k(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Without a promise about ties, as AdelaiDet has it: much faster than a stable sort."""
    best, index = torch.topk(values, k)
    return best, index


def _grouped(
    mask_feats: Tensor, params: Tensor, locations: Tensor, sizes: Tensor, count: Tensor, *, upsample: int, **_: int
) -> Tensor:
    n, (height, width) = int(count[0]), mask_feats.shape[2:]
    masks = torch.zeros(1, params.shape[1], height * upsample, width * upsample)
    if n:
        masks[0, :n] = grouped_convolution(mask_feats, params[0, :n], locations[0, :n], sizes[0, :n])[:, 0]
    return masks


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    """PyTorch takes no array that it may not write to."""
    return array if array.flags.writeable else np.array(array)
