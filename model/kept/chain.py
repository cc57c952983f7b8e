"""Convolutions in a row, with norms and ReLUs, computed at chosen cells of a pyramid: gathered patches, products.

What they give there is what they would on whole maps, which are padded with zeros before each convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from stc.model.head import Tower
from stc.model.kept.cost import ConvSize, reaches
from stc.model.kept.places import Places, rows


@dataclass(frozen=True)
class ConvLayer:
    """A convolution of stride 1, its batch norm (one, or one for each level), and whether a ReLU follows."""

    conv: nn.Conv2d
    norm: nn.Module
    relu: bool

    @property
    def size(self) -> ConvSize:
        return ConvSize(self.conv.in_channels, self.conv.out_channels, self.conv.kernel_size[0])

    @classmethod
    def of_tower(cls, tower: Tower) -> list[ConvLayer]:
        """Of a tower of dense convolutions whose norms are not folded."""
        layers = []
        for conv, norm in zip(tower.convs, tower.norms, strict=True):
            assert isinstance(conv, nn.Conv2d), conv
            layers.append(cls(conv, norm, relu=True))
        return layers


class KeptChain(nn.Module):
    """The layers, from the maps that the first one reads to the outputs of the last at chosen cells."""

    def __init__(self, layers: Sequence[ConvLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Products(layer) for layer in layers)
        self.reaches = reaches([layer.size for layer in layers])
        self.reach = self.reaches[0] + layers[0].size.kernel // 2

    def forward(self, levels: list[Tensor], places: Places) -> Tensor:
        """levels: (B, C, h, w) each. Returns (B, K, outputs)."""
        index, exists = places.around(self.reach)
        side = 2 * self.reach + 1
        x = rows(levels)
        for number, (layer, reach) in enumerate(zip(self.layers, self.reaches, strict=True)):
            assert isinstance(layer, _Products)
            windows = _windows(side, layer.kernel).to(index.device)
            if number == 0:
                x = x.index_select(0, index.index_select(1, windows.flatten()).flatten())
            elif len(windows) > 1:
                x = x.index_select(1, windows.flatten())
            x = layer(x.reshape(index.shape[0] * len(windows), -1), places.level, len(windows))
            if reach:  # the next layer's padding is zero, not what this one makes of its own
                exists = exists.index_select(1, _middle(windows))
                x = torch.where(exists[..., None], x.reshape(-1, len(windows), x.shape[1]), 0)
            side -= layer.kernel - 1
        return x.reshape(levels[0].shape[0], -1, x.shape[1])


class _Products(nn.Module):
    """One layer on patches: of (n, kernel^2 * inputs), cells row-major and their channels innermost, (n, outputs).

    A norm for each level becomes a factor and a term that are looked up. Weights take the largest factor in, because a
    float16 graph must not hold the large values that a norm brings back to order one.
    """

    def __init__(self, layer: ConvLayer) -> None:
        super().__init__()
        conv = layer.conv
        self.kernel, self.relu = layer.size.kernel, layer.relu
        with torch.no_grad():
            weight = conv.weight.double().permute(0, 2, 3, 1).flatten(1)
            bias = torch.zeros(conv.out_channels, dtype=torch.float64) if conv.bias is None else conv.bias.double()
            norms = list(layer.norm) if isinstance(layer.norm, nn.ModuleList) else [layer.norm]
            factors, terms = (torch.stack(values) for values in zip(*(_affine(n, bias) for n in norms), strict=True))
            largest = factors.abs().amax(dim=0)
            common = torch.where(largest > 0, largest, 1) if len(norms) > 1 else factors[0]
        self.weight = _stored(weight * common[:, None], conv.weight)
        self.per_level = len(norms) > 1
        if self.per_level:
            self.factors = _stored(factors / common, conv.weight)
            self.terms = _stored(terms, conv.weight)
        else:
            self.bias = _stored(terms[0], conv.weight)

    def forward(self, patches: Tensor, level: Tensor, count: int) -> Tensor:
        """level: (K,) of the chosen cells, of which each has `count` patches in a row."""
        if self.per_level:
            products = linear(patches, self.weight).reshape(-1, count, len(self.weight))
            factors, terms = (table.index_select(0, level)[:, None] for table in (self.factors, self.terms))
            x = (products * factors + terms).flatten(0, 1)
        else:
            x = linear(patches, self.weight, self.bias)
        return x.relu() if self.relu else x


def _affine(norm: nn.Module, bias: Tensor) -> tuple[Tensor, Tensor]:
    """What a convolution's bias and the norm behind it do to its products: a factor and a term per channel."""
    if not isinstance(norm, nn.BatchNorm2d):
        assert isinstance(norm, nn.Identity), norm
        return torch.ones_like(bias), bias
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.double() * (norm.running_var.double() + norm.eps).rsqrt()
    return factor, norm.bias.double() + (bias - norm.running_mean.double()) * factor


def _stored(values: Tensor, like: Tensor) -> nn.Parameter:
    return nn.Parameter(values.to(like.dtype), requires_grad=False)


def _windows(side: int, kernel: int) -> Tensor:
    """(n, kernel^2) places in a square of `side` cells of every window in it, all row-major."""
    cells = torch.arange(side**2).view(side, side)
    return cells.unfold(0, kernel, 1).unfold(1, kernel, 1).reshape(-1, kernel**2)


def _middle(windows: Tensor) -> Tensor:
    """(n,) the place in the middle of each."""
    return windows[:, windows.shape[1] // 2]
