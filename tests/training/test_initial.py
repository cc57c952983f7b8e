"""Starting weights: ImageNet backbones under every code base's names, and checkpoints to fine-tune."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.model.backbones.resnet import ResNet
from stc.model.checkpoint import save
from stc.model.checkpoint.layouts import known as layouts
from stc.model.checkpoint.layouts.imagenet import read_backbone
from stc.model.config import R50, STC_LITE, ModelConfig
from stc.model.network import STC
from stc.training.initial import start

CLASSES = ("cat", "dog")
LITE_PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def _efficientnet_names(model: STC) -> dict[str, Tensor]:
    """The backbone's weights under EfficientNet-PyTorch's names, with a classifier."""
    state = {}
    for key, value in model.backbone.state_dict().items():
        parts = key.split(".")
        if parts[0] == "stem":
            name = f"{'_conv_stem' if parts[1] == 'conv' else '_bn0'}.{parts[2]}"
        else:
            name = f"_blocks.{parts[1]}.{LITE_PARTS[parts[2]][parts[3] == 'bn']}.{parts[4]}"
        state[name] = value.clone()
    return state | {"_conv_head.weight": torch.zeros(1), "_bn1.weight": torch.zeros(1), "_fc.bias": torch.zeros(1)}


def _resnet(depth: str = "resnet50") -> dict[str, Tensor]:
    """A ResNet whose tensors all differ, statistics included."""
    torch.manual_seed(3)
    return {key: torch.rand_like(value) for key, value in ResNet(depth, True).state_dict().items()}


def _torchvision_name(key: str) -> str:
    key = re.sub(r"^stem\.(conv|bn)\.", r"\g<1>1.", key)
    key = re.sub(r"^res(\d)", lambda match: f"layer{int(match[1]) - 1}", key)
    return key.replace("shortcut.conv", "downsample.0").replace("shortcut.bn", "downsample.1")


def _detectron2_name(key: str) -> str:
    key = key.replace("stem.conv.", "stem.conv1.").replace("stem.bn.", "stem.conv1.norm.")
    key = re.sub(r"\.bn(\d)\.", r".conv\1.norm.", key)
    return key.replace("shortcut.conv.", "shortcut.").replace("shortcut.bn.", "shortcut.norm.")


def _caffe2_name(key: str) -> str:
    fields = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}
    if match := re.fullmatch(r"stem\.(conv|bn)\.(\w+)", key):
        return "conv1_w" if match[1] == "conv" else f"res_conv1_bn_{fields[match[2]]}"
    match = re.fullmatch(r"(res\d)\.(\d+)\.(?:(shortcut)\.)?(conv|bn)(\d?)\.(\w+)", key)
    assert match
    branch = "1" if match[3] else f"2{'abc'[int(match[5]) - 1]}"
    return f"{match[1]}_{match[2]}_branch{branch}_{'w' if match[4] == 'conv' else 'bn_' + fields[match[6]]}"


def _equal(model: STC, expected: dict[str, Tensor]) -> bool:
    found = model.backbone.state_dict()
    return found.keys() == expected.keys() and all(torch.equal(value, found[key]) for key, value in expected.items())


def test_efficientnet_weights_land_in_the_backbone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = STC(STC_LITE)
    torch.save(_efficientnet_names(source), tmp_path / "lite0.pth")
    begin = start(CLASSES, init=tmp_path / "lite0.pth", input_size=(128, 192))
    assert begin.preset == "stc-lite"
    assert "backbone from lite0.pth" in begin.notes[0]
    assert begin.model.config == STC_LITE.with_(classes=CLASSES, input_size=(128, 192))
    assert _equal(begin.model, source.backbone.state_dict())


def test_a_backbone_that_is_the_beginning_of_another_takes_that_ones_weights(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = STC(STC_LITE)
    torch.save(_efficientnet_names(source), tmp_path / "lite0.pth")
    begin = start(CLASSES, "stc-lite-2", tmp_path / "lite0.pth", input_size=(128, 192))
    given = source.backbone.state_dict()
    assert _equal(begin.model, {name: given[name] for name in begin.model.backbone.state_dict()})
    assert not begin.whole
    save(begin.model, tmp_path / "detector.safetensors")
    assert start(CLASSES, init=tmp_path / "detector.safetensors").whole


@pytest.mark.parametrize(
    ("rename", "style"),
    [(_torchvision_name, "torchvision"), (_detectron2_name, "msra"), (_caffe2_name, "msra")],
)
def test_resnet_weights_of_every_code_base_land_in_the_backbone(tmp_path: Path, rename: Any, style: str) -> None:
    """The style, where strides sit and how colours come, follows the names; detectron2's are MSRA's unless said."""
    state = _resnet()
    torch.save({rename(key): value for key, value in state.items()}, tmp_path / "r50.pth")
    begin = start(CLASSES, init=tmp_path / "r50.pth")
    assert begin.preset == "r50"
    assert _equal(begin.model, state)
    config = begin.model.config
    assert (config.stride_in_1x1, config.channel_order) == ((True, "bgr") if style == "msra" else (False, "rgb"))
    assert config.classes == CLASSES


def test_detectron2_names_may_carry_torchvision_weights(tmp_path: Path) -> None:
    torch.save({_detectron2_name(k): v for k, v in _resnet("resnet101").items()}, tmp_path / "r101.pth")
    begin = start(CLASSES, init=tmp_path / "r101.pth", backbone_style="torchvision")
    assert begin.preset == "r101"
    assert not begin.model.config.stride_in_1x1


def test_msra_pickles_without_statistics_get_mean_0_and_variance_1(tmp_path: Path) -> None:
    state = _resnet()
    blobs = {_caffe2_name(k): v.numpy() for k, v in state.items() if "running" not in k}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps({"blobs": {**blobs, "fc1000_w": blobs["conv1_w"]}}))
    found = start(CLASSES, init=tmp_path / "R-50.pkl").model.backbone.state_dict()
    assert torch.equal(found["res3.1.conv2.weight"], state["res3.1.conv2.weight"])
    assert (found["res3.1.bn2.running_mean"] == 0).all()
    assert (found["stem.bn.running_var"] == 1).all()


def test_unmapped_missing_and_misshapen_keys_are_listed(tmp_path: Path) -> None:
    state = _efficientnet_names(STC(STC_LITE))
    torch.save({**state, "_blocks.3._se_reduce.weight": torch.zeros(1)}, tmp_path / "b0.pth")
    with pytest.raises(CheckpointError, match=r"_blocks\.3\._se_reduce\.weight"):
        start(CLASSES, init=tmp_path / "b0.pth")
    del state["_bn0.weight"]
    state["_conv_stem.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match=r"missing \['stem\.bn\.weight'\].*misshapen \['stem\.conv\.weight'\]"):
        start(CLASSES, init=tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match="leave out --config"):
        start(CLASSES, preset="r50", init=tmp_path / "cut.pth")


def test_a_whole_model_is_no_bare_backbone(tmp_path: Path) -> None:
    assert read_backbone(STC(STC_LITE).state_dict(), tmp_path) is None


def _small(config: ModelConfig) -> ModelConfig:
    """One convolution a tower: less to write."""
    return replace(config, cls_convs=1, box_convs=1, track_convs=1, mask_branch_convs=1)


def test_fine_tuning_takes_architecture_and_all_weights(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = STC(_small(STC_LITE).with_(classes=CLASSES, track_dim=8))
    save(source, tmp_path / "model.safetensors")
    begin = start(CLASSES, init=tmp_path / "model.safetensors")
    assert begin.notes == ("all weights from model.safetensors (layout stc)",)
    assert begin.model.config == source.config
    found = begin.model.state_dict()
    assert all(torch.equal(value, found[key]) for key, value in source.state_dict().items())
    renamed = start(("lynx", "wolf"), init=tmp_path / "model.safetensors")
    assert "class layer kept, but its classes are called cat, dog" in renamed.notes
    with pytest.raises(CheckpointError, match="another architecture than --config stc-lite"):
        start(CLASSES, preset="stc-lite", init=tmp_path / "model.safetensors")


def test_fine_tuning_for_other_classes_renews_the_class_layer_only(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = STC(STC_LITE)
    save(source, tmp_path / "model.safetensors")
    begin = start(CLASSES, preset="stc-lite", init=tmp_path / "model.safetensors")
    assert begin.notes[-1] == "class layer new: the checkpoint has 3 classes, the data 2"
    found, old = begin.model.state_dict(), source.state_dict()
    assert found["head.cls_logits.weight"].shape[0] == 2
    assert float(found["head.cls_logits.bias"].mean()) == pytest.approx(-4.595, abs=1e-3)  # the focal loss's prior
    assert all(torch.equal(old[key], value) for key, value in found.items() if "cls_logits" not in key)


def test_fine_tuning_from_condinst_adds_a_tracking_head(tmp_path: Path) -> None:
    """AdelaiDet's layout, C = 80, no tracking head: what COCO checkpoints are."""
    torch.manual_seed(1)
    source = STC(_small(R50).with_(track_dim=0, track_convs=0, track_norm=False, classes=tuple(map(str, range(80)))))
    state = {}
    for key, value in source.state_dict().items():
        if key == "head.scales":
            state |= {f"proposal_generator.fcos_head.scales.{i}.scale": value[i : i + 1] for i in range(5)}
        elif not key.endswith("num_batches_tracked"):
            name = layouts.ADELAIDET.theirs(key)
            assert name
            state[name] = value
    torch.save({"model": state}, tmp_path / "CondInst.pth")
    begin = start(CLASSES, init=tmp_path / "CondInst.pth", backbone_style="torchvision")
    assert begin.preset == "r50"
    assert "tracking head new: the checkpoint has none" in begin.notes
    assert "class layer new: the checkpoint has 80 classes, the data 2" in begin.notes
    config = begin.model.config
    assert (config.track_dim, config.track_convs, config.stride_in_1x1) == (256, 4, False)
    assert (config.shortest_edge, config.input_size) == (None, (360, 640))
    assert "letterboxed to 360x640 from now on: the checkpoint takes each frame in its own shape" in begin.notes
    found = begin.model.state_dict()
    assert torch.equal(found["head.controller.weight"], source.head.controller.weight)
    assert torch.equal(found["backbone.res4.3.conv2.weight"], source.state_dict()["backbone.res4.3.conv2.weight"])


def test_contradicting_styles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is for ResNet"):
        start(CLASSES, preset="stc-lite", backbone_style="msra")
    torch.save({_torchvision_name(key): value for key, value in _resnet().items()}, tmp_path / "r50.pth")
    with pytest.raises(InputError, match="names are those of torchvision weights"):
        start(CLASSES, init=tmp_path / "r50.pth", backbone_style="msra")
