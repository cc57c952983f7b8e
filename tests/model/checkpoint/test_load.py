"""Checkpoints of every layout become models that compute with the file's numbers; wrong ones say all that is wrong."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.files import sha256
from stc.model.checkpoint import load
from stc.model.checkpoint.class_names import KNOWN
from stc.model.config import R50
from tests.seeded import HEAD, SIZES_OF_INTEREST, adelaidet_state, crossvis_state, settings

State = dict[str, Tensor]


def hollow(state: State) -> State:
    """The same names and shapes around one stored number each: a small file."""
    ones = {name: torch.ones((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}
    return ones | settings(state)


ADELAIDET = R50.with_(shortest_edge=(360, 640))


@pytest.fixture(scope="module")
def condinst() -> State:
    return adelaidet_state(0)


@pytest.fixture(scope="module")
def crossvis() -> State:
    return crossvis_state(0)


def saved(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def test_condinst(tmp_path: Path, condinst: State) -> None:
    path = saved(tmp_path / "c.pth", {"model": condinst, "iteration": 3})
    checkpoint = load(path)
    config = checkpoint.config
    assert checkpoint.layout == "adelaidet"
    assert checkpoint.sha256 == sha256(path)
    assert set(checkpoint.assumed) == {"classes", "backbone_style", "decode_rule", "input_size", "decode_constants"}
    assert checkpoint.assumed["input_size"].startswith("shorter side 360, longer at most 640, the published one")
    assert checkpoint.assumed["decode_constants"] == (
        "threshold 0.05, NMS above IoU 0.6, the best 1000, masks at stride 4, as published"
    )
    assert config == ADELAIDET.with_(classes=KNOWN["coco"], track_dim=0, track_convs=0, track_norm=False)

    model = checkpoint.model
    assert not model.training
    assert all(tensor.device.type == "cpu" for tensor in (*model.parameters(), *model.buffers()))
    weights = model.state_dict()
    for ours, theirs in (
        ("backbone.stem.bn.running_var", "backbone.bottom_up.stem.conv1.norm.running_var"),
        ("backbone.res4.0.shortcut.conv.weight", "backbone.bottom_up.res4.0.shortcut.weight"),
        ("backbone.res5.2.bn3.bias", "backbone.bottom_up.res5.2.conv3.norm.bias"),
        ("fpn.lateral.0.weight", "backbone.fpn_lateral3.weight"),
        ("fpn.output.2.bias", "backbone.fpn_output5.bias"),
        ("fpn.p7.weight", "backbone.top_block.p7.weight"),
        ("head.cls_tower.convs.2.weight", f"{HEAD}.cls_tower.6.weight"),
        ("head.box_tower.norms.3.bias", f"{HEAD}.bbox_tower.10.bias"),
        ("head.centerness.bias", f"{HEAD}.ctrness.bias"),
        ("head.controller.weight", "controller.weight"),
        ("mask_branch.refine.1.bn.running_mean", "mask_branch.refine.1.1.running_mean"),
        ("mask_branch.tower.3.conv.weight", "mask_branch.tower.3.0.weight"),
        ("mask_branch.pred.weight", "mask_branch.tower.4.weight"),
    ):
        assert torch.equal(weights[ours], condinst[theirs]), ours
    scales = [float(condinst[f"{HEAD}.scales.{level}.scale"]) for level in range(5)]
    assert weights["head.scales"].tolist() == scales


def test_crossvis_from_a_pickle(tmp_path: Path, crossvis: State) -> None:
    path = tmp_path / "c.pkl"
    path.write_bytes(pickle.dumps({"model": {name: tensor.numpy() for name, tensor in crossvis.items()}}))
    checkpoint = load(path, classes="ytvis2021")
    assert checkpoint.layout == "crossvis"
    assert "tracked with --tracker crossvis by its authors" in checkpoint.assumed["tracker"]
    assert checkpoint.config == ADELAIDET.with_(classes=KNOWN["ytvis2021"])
    weights = checkpoint.model.state_dict()
    assert torch.equal(weights["head.track_tower.convs.3.weight"], crossvis[f"{HEAD}.reid_tower.9.weight"])
    assert torch.equal(weights["head.track_norm.running_var"], crossvis[f"{HEAD}.reid_pred_bn.running_var"])
    assert torch.equal(weights["head.track_pred.bias"], crossvis[f"{HEAD}.reid_pred.bias"])


def test_architecture_is_read_off_the_weights(tmp_path: Path) -> None:
    """101 layers, another number of classes, and the auxiliary semantic head, which is left out."""
    state = adelaidet_state(None, depth=101, num_classes=7, sem=True)
    config = load(saved(tmp_path / "c.pth", state)).config
    assert config == ADELAIDET.with_(
        backbone="resnet101",
        classes=tuple(f"class_{i}" for i in range(7)),
        track_dim=0,
        track_convs=0,
        track_norm=False,
    )


def test_backbone_style_is_the_users_word(tmp_path: Path, condinst: State) -> None:
    path = saved(tmp_path / "c.pth", hollow(condinst))
    msra, torchvision = (load(path, backbone_style=style) for style in ("msra", "torchvision"))
    assert "backbone_style" not in msra.assumed
    assert (msra.config.stride_in_1x1, msra.config.channel_order, msra.config.pixel_std) == (
        True,
        "bgr",
        (1.0, 1.0, 1.0),
    )
    config = torchvision.config
    assert (config.stride_in_1x1, config.channel_order) == (False, "rgb")
    assert config.pixel_mean == (123.675, 116.28, 103.53)
    assert config.pixel_std == (58.395, 57.12, 57.375)
    assert torchvision.model.backbone.res3[0].conv2.stride == (2, 2)
    with pytest.raises(InputError, match="must be one of msra, torchvision"):
        load(path, backbone_style="caffe")  # type: ignore[arg-type]


def test_other_precisions_become_float32(tmp_path: Path, condinst: State) -> None:
    state = hollow(condinst)
    kinds = {
        "controller.weight": torch.float16,
        "controller.bias": torch.bfloat16,
        f"{HEAD}.ctrness.bias": torch.float64,
        f"{HEAD}.bbox_pred.bias": torch.int64,
        f"{HEAD}.cls_tower.1.weight": torch.bool,
    }
    state |= {name: condinst[name].to(dtype) for name, dtype in kinds.items()}
    weights = load(saved(tmp_path / "c.pth", state)).model.state_dict()
    floating = [tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")]
    assert all(tensor.dtype == torch.float32 for tensor in floating)
    assert torch.equal(weights["head.controller.bias"], condinst["controller.bias"].bfloat16().float())


def test_frozen_norms_of_caffe2_without_statistics_have_mean_0_and_variance_1(tmp_path: Path, condinst: State) -> None:
    state = {name: t for name, t in hollow(condinst).items() if not (name.startswith("backbone") and "running" in name)}
    converted = {"model": state, "__author__": "Caffe2", "matching_heuristics": True}
    checkpoint = load(saved(tmp_path / "c.pth", converted))
    bn = checkpoint.model.state_dict()
    assert not bn["backbone.res4.5.bn2.running_mean"].any()
    assert (bn["backbone.res4.5.bn2.running_var"] == 1).all()
    assert "53 frozen norms" in checkpoint.assumed["statistics"]


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (torch.tensor([32, 64, 128, 256, 512]), (32, 64, 128, 256, 512)),
        (torch.tensor([48.5, 96.0, 192.0, 384.0, 768.0]), (48.5, 96, 192, 384, 768)),
        (torch.tensor([64, 128, 256, 512, 1024]).half(), (64, 128, 256, 512, 1024)),
    ],
)
def test_the_sizes_of_interest_are_those_that_the_file_stores(
    tmp_path: Path, condinst: State, stored: Tensor, read: tuple[float, ...]
) -> None:
    loaded = load(saved(tmp_path / "c.pth", hollow(condinst) | {SIZES_OF_INTEREST: stored}))
    assert loaded.config.sizes_of_interest == read


@pytest.mark.parametrize(
    "stored",
    [
        torch.tensor([64, 128, 256, 512]),
        torch.tensor([64, 128, 256, 512, 1024, 2048]),
        torch.tensor([64, 128, 128, 512, 1024]),
        torch.tensor([1024, 512, 256, 128, 64]),
        torch.tensor([0, 128, 256, 512, 1024]),
        torch.tensor([64, 128, 256, 512, torch.inf]),
        torch.tensor([64, 128, torch.nan, 512, 1024]),
        torch.tensor([[64, 128, 256, 512, 1024]]),
        torch.tensor(64),
        torch.zeros(5, dtype=torch.bool),
    ],
)
def test_sizes_of_interest_that_are_none_are_refused(tmp_path: Path, condinst: State, stored: Tensor) -> None:
    path = saved(tmp_path / "c.pth", hollow(condinst) | {SIZES_OF_INTEREST: stored})
    with pytest.raises(CheckpointError, match=r"sizes_of_interest must be 5 positive ascending numbers, one per level"):
        load(path)


def test_a_file_without_sizes_of_interest_has_the_published_ones(tmp_path: Path, condinst: State) -> None:
    state = {name: tensor for name, tensor in hollow(condinst).items() if name != SIZES_OF_INTEREST}
    assert load(saved(tmp_path / "c.pth", state)).config.sizes_of_interest == (64, 128, 256, 512, 1024)


def test_a_shard_is_called_so(tmp_path: Path, condinst: State) -> None:
    state = dict(list(hollow(condinst).items())[:200])
    with pytest.raises(CheckpointError, match=r"shard 2 of 3, which holds a part .*; 2 of the files are missing: "):
        load(saved(tmp_path / "model-00002-of-00003.bin", state))


def test_half_of_the_statistics_of_a_norm_are_not_made_up(tmp_path: Path, condinst: State) -> None:
    state = hollow(condinst)
    del state["backbone.bottom_up.res4.5.conv2.norm.running_var"]
    with pytest.raises(CheckpointError, match=r"missing \(1\):\n.*res4\.5\.conv2\.norm\.running_var"):
        load(saved(tmp_path / "c.pth", state))


def test_all_differences_are_listed_in_the_names_of_the_file(tmp_path: Path, crossvis: State) -> None:
    state = hollow(crossvis)
    del state[f"{HEAD}.reid_pred_bn.running_var"]
    del state["mask_branch.tower.4.bias"]
    del state[f"{HEAD}.scales.3.scale"]
    state["backbone.bottom_up.res2.0.conv1.bias"] = torch.zeros(64)
    state["something.else"] = torch.zeros(3)
    state[f"{HEAD}.bbox_pred.bias"] = torch.zeros(5)
    with pytest.raises(CheckpointError) as caught:
        load(saved(tmp_path / "c.pth", state))
    text = str(caught.value)
    assert "missing (3):" in text and "unexpected (2):" in text and "misshapen (1):" in text
    for name in (
        "reid_pred_bn.running_var",
        "mask_branch.tower.4.bias",
        "scales.3.scale",
        "res2.0.conv1.bias",
        "something.else",
    ):
        assert name in text
    assert f"{HEAD}.bbox_pred.bias is (5,), must be (4,)" in text
    assert "closest known layout: crossvis" in text


def test_long_lists_are_shortened_and_counted(tmp_path: Path, condinst: State) -> None:
    state = {name: tensor for name, tensor in hollow(condinst).items() if not name.startswith("backbone.bottom_up")}
    with pytest.raises(CheckpointError, match=r"missing \(265\):(\n .*){100}\n    \.\.\. and 165 more"):
        load(saved(tmp_path / "c.pth", state))


def test_a_foreign_network_is_named_so(tmp_path: Path) -> None:
    other = {"encoder.weight": torch.zeros(64, 3), "decoder.weight": torch.zeros(64, 64), "fc.bias": torch.zeros(9)}
    with pytest.raises(CheckpointError, match=r"weights of another model: none of its 3 entries \(encoder\.weight"):
        load(saved(tmp_path / "c.pth", other))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("controller.weight", torch.nan, r"controller\.weight: 389376 of 389376 numbers are NaN or infinite"),
        ("controller.weight", torch.inf, "NaN or infinite"),
        ("controller.weight", 1e300, "NaN or infinite in float32"),
        ("mask_branch.tower.1.1.running_var", -1.0, "a variance is negative"),
    ],
)
def test_numbers_that_cannot_be_weights(tmp_path: Path, condinst: State, name: str, value: float, problem: str) -> None:
    state = hollow(condinst)
    state[name] = torch.tensor(value, dtype=torch.float64).expand(state[name].shape)
    with pytest.raises(CheckpointError, match=problem):
        load(saved(tmp_path / "c.pth", state))


def test_broken_numbers_in_ignored_entries_do_not_matter(tmp_path: Path, crossvis: State) -> None:
    state = hollow(crossvis)
    state["cls.weight"] = torch.full((5, 256), torch.nan)
    assert load(saved(tmp_path / "c.pth", state)).layout == "crossvis"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cls_logits.weight", (1 << 25, 1)),
        ("cls_logits.weight", ()),
        ("cls_logits.weight", (0, 256, 3, 3)),
        ("bbox_pred.weight", (1 << 20, 256)),
    ],
)
def test_absurd_shapes_are_refused_before_anything_is_allocated(
    tmp_path: Path, condinst: State, name: str, shape: tuple[int, ...]
) -> None:
    state = hollow(condinst)
    state[f"{HEAD}.{name}"] = torch.zeros(()).expand(shape)
    with pytest.raises(CheckpointError, match=r"misshapen|classes"):
        load(saved(tmp_path / "c.pth", state))


@pytest.mark.parametrize("channels", [33, 0])
def test_shapes_that_make_no_network_are_refused(tmp_path: Path, condinst: State, channels: int) -> None:
    """Group norm has 32 groups."""
    state = hollow(condinst)
    state["backbone.fpn_lateral3.weight"] = torch.zeros(()).expand(channels, 512, 1, 1)
    with pytest.raises(CheckpointError):
        load(saved(tmp_path / "c.pth", state))


def test_class_names_must_fit(tmp_path: Path, condinst: State) -> None:
    path = saved(tmp_path / "c.pth", hollow(condinst))
    with pytest.raises(InputError, match="40 names, but the checkpoint has 80 classes; use --classes coco"):
        load(path, classes="ytvis2019")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"unknown": 1}', json.dumps({"cls_convs": 10**9}), '{"strides": 3}'])
def test_a_config_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.safetensors"
    save_file({"head.cls_logits.weight": torch.zeros(3, 64, 3, 3)}, path, metadata={"stc.config": text})
    with pytest.raises(CheckpointError, match=r"stc\.config cannot be used|make no network"):
        load(path)


@pytest.mark.parametrize("backbone", ["vgg16", "", None, 50, {}, ["resnet50"]])
def test_a_config_of_an_unknown_backbone_names_those_there_are(tmp_path: Path, backbone: object) -> None:
    path = tmp_path / "c.safetensors"
    text = json.dumps({"backbone": backbone})
    save_file({"head.cls_logits.weight": torch.zeros(3, 64, 3, 3)}, path, metadata={"stc.config": text})
    with pytest.raises(CheckpointError, match=r"stc\.config cannot be used .*resnet101, resnet50"):
        load(path)
