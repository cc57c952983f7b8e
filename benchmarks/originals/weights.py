"""Seeded weights for anybody's CondInst, with which it really detects something in a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

# Spread and mean of what the predicting layers give on the picture, over all levels. Boxes reach two or three strides
# each way, dynamic weights make masks with edges, and a good part of them is neither empty nor full.
CENTERNESS, BOXES = (1.0, 0.0), (0.8, 2.5)
CONTROLLER, FEATURES = (0.5, 0.0), (1.0, 0.0)
CLASSES = 1.2
CANDIDATES = 500  # pairs of place and class whose quality passes the threshold: enough for 100 after suppression
THRESHOLD = 0.05


@dataclass(frozen=True)
class Heads:
    """Names of the layers that predict, in one code base."""

    classes: str
    boxes: str
    centerness: str
    controller: str
    features: str


def seed(model: nn.Module, heads: Heads, forward: Callable[[], object], number: int) -> None:
    """Random weights; statistics of batch norms and scales of predictions are those of what `forward` runs."""
    random = torch.Generator().manual_seed(number)
    for module in model.modules():
        _randomise(module, random)
    outputs = _record(model, heads, forward)
    for name, (spread, mean) in (
        (heads.boxes, BOXES),
        (heads.centerness, CENTERNESS),
        (heads.controller, CONTROLLER),
        (heads.features, FEATURES),
        (heads.classes, (CLASSES, 0.0)),
    ):
        layer, seen = model.get_submodule(name), _flat(outputs[name])
        ratio = spread / float(seen.std())
        _rescale(layer, ratio, mean - ratio * float(seen.mean()))
        outputs[name] = [ratio * (output - float(seen.mean())) + mean for output in outputs[name]]
    places = [output.sigmoid() for output in outputs[heads.centerness]]
    _rescale(model.get_submodule(heads.classes), 1.0, _shift(outputs[heads.classes], places))


def _randomise(module: nn.Module, random: torch.Generator) -> None:
    def fill(tensor: Tensor, low: float, high: float) -> None:
        tensor.data.copy_(torch.rand(tensor.shape, generator=random) * (high - low) + low)

    def normal(tensor: Tensor, std: float) -> None:
        tensor.data.copy_(torch.randn(tensor.shape, generator=random) * std)

    weight, bias = (getattr(module, name, None) for name in ("weight", "bias"))
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        normal(module.weight, math.sqrt(2 / module.weight[0].numel()))
    elif isinstance(weight, Tensor):  # of a norm, also where it is frozen
        fill(weight, 0.7, 1.3)
    elif isinstance(scale := getattr(module, "scale", None), nn.Parameter):
        fill(scale, 0.9, 1.1)
    if isinstance(bias, Tensor):
        normal(bias, 0.1)


def _record(model: nn.Module, heads: Heads, forward: Callable[[], object]) -> dict[str, list[Tensor]]:
    """Outputs of the predicting layers, one per level, in a run that sets the statistics of batch norms on its way."""
    outputs: dict[str, list[Tensor]] = {name: [] for name in vars(heads).values()}
    done: set[nn.Module] = set()

    def measure(module: Any, inputs: tuple[Tensor, ...]) -> None:
        if module not in done:  # of several levels, the first and largest
            done.add(module)
            module.running_mean.copy_(inputs[0].mean((0, 2, 3)))
            module.running_var.copy_(inputs[0].var((0, 2, 3), unbiased=False))

    def keep(name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
        outputs[name].append(output)

    with ExitStack() as hooks, torch.no_grad():
        for module in model.modules():
            if isinstance(getattr(module, "running_mean", None), Tensor):
                hooks.callback(module.register_forward_pre_hook(measure).remove)
        for name in outputs:
            hooks.callback(model.get_submodule(name).register_forward_hook(partial(keep, name)).remove)
        forward()
    return outputs


def _rescale(layer: Any, ratio: float, shift: float) -> None:
    layer.weight.data.mul_(ratio)
    layer.bias.data.mul_(ratio).add_(shift)


def _shift(logits: Sequence[Tensor], centerness: Sequence[Tensor]) -> float:
    """What to add to the class logits so that `CANDIDATES` pairs pass the threshold, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        passing = sum(
            int(((logit + middle).sigmoid() * place > THRESHOLD).sum())
            for logit, place in zip(logits, centerness, strict=True)
        )
        low, high = (middle, high) if passing < CANDIDATES else (low, middle)
    return low


def _flat(outputs: Sequence[Tensor]) -> Tensor:
    return torch.cat([output.flatten() for output in outputs])
