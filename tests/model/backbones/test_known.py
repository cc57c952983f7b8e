"""The list of backbones: each keeps what the pyramid, the checkpoints and the training expect of one."""

from __future__ import annotations

import pytest
import torch

from stc.model.backbones.known import BACKBONES, find, recognise
from stc.model.config import PRESET_OF, PRESETS, ModelConfig
from stc.model.network import STC

every = pytest.mark.parametrize("name", BACKBONES)


@every
def test_features_have_the_stated_channels_at_strides_4_to_32(name: str) -> None:
    with torch.device("meta"):
        features = find(name).build(PRESETS[PRESET_OF[name]])(torch.empty(1, 3, 64, 96))
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(1, c, 64 // s, 96 // s) for c, s in zip(find(name).channels, (4, 8, 16, 32), strict=True)]


@every
def test_its_weights_lie_in_the_stated_parts_and_tell_which_backbone_it_is(name: str) -> None:
    with torch.device("meta"):
        model = STC(PRESETS[PRESET_OF[name]])
    assert dict(model.backbone.named_children()).keys() == set(find(name).parts)
    assert recognise(model.state_dict()) is find(name)


@every
def test_the_early_layers_are_the_first_ones(name: str) -> None:
    with torch.device("meta"):
        network = find(name).build(PRESETS[PRESET_OF[name]])
    early = [id(parameter) for module in network.early() for parameter in module.parameters()]
    assert early == [id(parameter) for parameter in network.parameters()][: len(early)]
    assert 0 < len(early) < len(list(network.parameters()))


def test_an_unknown_backbone_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(ValueError, match="efficientnet-lite0, efficientnet-lite0-192, resnet101, resnet50; got 'vgg'"):
        STC(ModelConfig(backbone="vgg"))


def test_weights_without_a_backbone_are_recognised_as_none() -> None:
    assert recognise(["fpn.p6.weight", "head.scales"]) is None
