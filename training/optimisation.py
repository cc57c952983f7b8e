"""What moves the weights: parameter groups, learning-rate schedule, frozen layers, moving average."""

from __future__ import annotations

import copy
import math
from itertools import chain

import torch

from stc.model.network import STC
from stc.training.config import TrainConfig

MOMENTUM = 0.9
DROPS = (0.65, 0.91)  # of the run: CrossVIS's steps 15,000 and 21,000 of 23,000


def freeze(model: STC, config: TrainConfig) -> None:
    """No gradients for what `config` keeps.

    With `freeze` that is the backbone up to stride 4: ImageNet's edges and textures serve as they are; it saves time.
    """
    if config.learns == "tracking":
        model.requires_grad_(False)
        for module in model.head.tracking():
            module.requires_grad_(True)
    elif config.freeze:
        for parameter in chain.from_iterable(module.parameters() for module in model.backbone.early()):
            parameter.requires_grad_(False)


def train_mode(model: STC, config: TrainConfig) -> None:
    """Training mode, but batch norms of what is kept keep their statistics.

    So do the backbone's of ImageNet with `freeze`: batches are small.
    """
    if config.learns == "tracking":
        model.eval()
        for module in model.head.tracking():
            module.train()
    else:
        model.train()
        model.backbone.train(not config.freeze)


def make_optimiser(model: STC, config: TrainConfig) -> torch.optim.Optimizer:
    """Biases and norms (parameters of one dimension) are not decayed, the backbone has its own rate."""
    groups = []
    backbone = set(model.backbone.parameters())
    for ours, lr in ((False, config.lr), (True, config.backbone_lr)):
        for flat in (False, True):
            parameters = [
                p for p in model.parameters() if p.requires_grad and (p in backbone) == ours and (p.ndim <= 1) == flat
            ]
            decay = 0.0 if flat else config.weight_decay
            groups.append({"params": parameters, "lr": lr, "peak_lr": lr, "weight_decay": decay})
    groups = [group for group in groups if group["params"]]  # a ResNet's frozen norms leave one empty
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=MOMENTUM)
    return torch.optim.AdamW(groups)


def set_learning_rate(optimiser: torch.optim.Optimizer, step: int, progress: float, config: TrainConfig) -> float:
    """Linear warm-up times the schedule; progress 0..1 of the run. Returns the factor of the peak.

    cosine: from 1 to `final_lr`. steps: a tenth of it after each of DROPS.
    """
    if config.schedule == "steps":
        schedule = 0.1 ** sum(progress >= drop for drop in DROPS)
    else:
        cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        schedule = config.final_lr + (1 - config.final_lr) * cosine
    factor = min(1.0, (step + 1) / config.warmup_steps) * schedule
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * factor
    return factor


def mixed_precision(device: torch.device, config: TrainConfig) -> bool:
    """Whether the network runs in bfloat16: only where a CUDA GPU has it. Never executed on a GPU."""
    return config.mixed_precision and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


class MovingAverage:
    """Exponential moving average of all weights and statistics; early steps weigh less, so that it starts usable."""

    def __init__(self, model: STC, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: STC, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for average, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if average.dtype.is_floating_point:
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)
