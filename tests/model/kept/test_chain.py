"""Convolutions at chosen cells against the same convolutions on whole maps, in float64."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from stc.model.decode import join_levels
from stc.model.kept.chain import ConvLayer, KeptChain
from stc.model.kept.places import Places
from tests.model.heads import LEVELS

CHANNELS = (6, 5, 7, 4)
SHAPES = list(LEVELS)
BATCH = 3


def norm(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in (SHAPES if kind == "per level" else [0]))
    for one in norms:
        assert isinstance(one, nn.BatchNorm2d)
        assert one.running_mean is not None
        assert one.running_var is not None
        for tensor, low, high in ((one.weight, -2, 2), (one.bias, -1, 1), (one.running_mean, -1, 1)):
            tensor.data.uniform_(low, high)
        one.running_var.uniform_(0.1, 4)
    return norms if kind == "per level" else norms[0]


def layers(kernels: tuple[int, ...], norms: tuple[str, ...], bias: bool) -> list[ConvLayer]:
    pairs = pairwise(CHANNELS)
    return [
        ConvLayer(nn.Conv2d(i, o, k, padding=k // 2, bias=bias), norm(kind, o), relu=number < len(kernels) - 1)
        for number, ((i, o), k, kind) in enumerate(zip(pairs, kernels, norms, strict=False))
    ]


def everywhere(chain: list[ConvLayer], maps: list[Tensor]) -> Tensor:
    """(B, L, outputs), as PyTorch computes it."""
    found: list[Tensor] = []
    for level, values in enumerate(maps):
        found.append(values)
        for layer in chain:
            own = layer.norm[level] if isinstance(layer.norm, nn.ModuleList) else layer.norm
            out = own(layer.conv(found[-1]))
            found[-1] = out.relu() if layer.relu else out
    return join_levels(found)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("kernels", "norms"),
    [
        ((1,), ("none",)),
        ((3,), ("none",)),
        ((5,), ("one",)),
        ((3, 3), ("per level", "per level")),
        ((3, 3, 1), ("per level", "per level", "one")),
        ((1, 3, 3), ("per level", "one", "none")),
        ((3, 5, 3), ("one", "per level", "one")),
    ],
)
def test_every_cell_of_every_level_is_as_on_the_whole_map(
    kernels: tuple[int, ...], norms: tuple[str, ...], bias: bool
) -> None:
    """Borders and corners among them, of levels narrower than a patch; each picture of a batch has its own order."""
    torch.manual_seed(0)
    chain = layers(kernels, norms, bias)
    modules = nn.ModuleList(m for layer in chain for m in (layer.conv, layer.norm)).double().eval()
    maps = [torch.randn(BATCH, CHANNELS[0], *shape, dtype=torch.float64) for shape in SHAPES]
    cells = sum(height * width for height, width in SHAPES)
    chosen = torch.stack([torch.randperm(cells) for _ in range(BATCH)])
    with torch.inference_mode():
        expected = everywhere(chain, maps)
        found = KeptChain(chain).eval()(maps, Places.of(chosen, SHAPES))
    assert next(modules.parameters()).dtype == torch.float64
    for picture in range(BATCH):
        torch.testing.assert_close(found[picture], expected[picture, chosen[picture]], rtol=1e-11, atol=1e-11)


def test_a_channel_that_a_norm_silences_has_no_scale_to_divide_by() -> None:
    torch.manual_seed(0)
    chain = layers((3,), ("per level",), bias=False)
    assert isinstance(chain[0].norm, nn.ModuleList)
    for one in chain[0].norm:
        assert isinstance(one, nn.BatchNorm2d)
        one.weight.data[1] = 0
    nn.ModuleList([chain[0].conv, chain[0].norm]).double().eval()
    maps = [torch.randn(1, CHANNELS[0], *shape, dtype=torch.float64) for shape in SHAPES]
    chosen = torch.arange(20)[None]
    with torch.inference_mode():
        found = KeptChain(chain)(maps, Places.of(chosen, SHAPES))
        torch.testing.assert_close(found, everywhere(chain, maps)[:, :20], rtol=1e-11, atol=1e-11)


def test_cells_are_found_in_their_levels() -> None:
    total = sum(height * width for height, width in SHAPES)
    places = Places.of(torch.arange(total)[None], SHAPES)
    stated = [(level, y, x) for level, (h, w) in enumerate(SHAPES) for y in range(h) for x in range(w)]
    assert list(zip(places.level.tolist(), places.row.tolist(), places.column.tolist(), strict=True)) == stated
    wide = Places.of(torch.tensor([[1024 * 1023, 1024 * 1024 - 1]]), [(1024, 1024), (1, 1)])  # of an input of 8192
    assert wide.row.tolist() == [1023, 1023]
    assert wide.column.tolist() == [0, 1023]
