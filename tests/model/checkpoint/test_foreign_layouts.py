"""Checkpoints of every code base load under their own names, with what their code base trains for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.model.checkpoint import load
from stc.model.decode_rules import decode_rule
from tests.foreign_layouts import CASES, Case
from tests.seeded import SLIM, adelaidet_state, crossvis_state, settings

State = dict[str, Tensor]
CAFFE_MEAN = (102.9801, 115.9465, 122.7717)


def numbered(state: State) -> State:
    """The same names and shapes, each tensor full of one number of its own, stored once: a small file."""
    numbers = {name: torch.full((), float(i)).expand(state[name].shape) for i, name in enumerate(state, 1)}
    return numbers | settings(state)


def saved(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def slim(case: Case) -> State:
    return case.state(num_classes=7, widths=SLIM)


@pytest.mark.parametrize(
    ("name", "entries", "some"),
    [
        # 53 convolutions and norms of four entries, FPN 16, towers 32, predictions 8, scales 5, mask branch 44 (7
        # norms of five entries), buffers of the mask head 2.
        ("condinst", 372, {"proposal_generator.fcos_head.scales.4.scale": (1,)}),
        (
            "fcos",
            372,
            {"rpn.head.centerness.weight": (1, 256, 3, 3), "backbone.fpn.fpn_inner4.weight": (256, 2048, 1, 1)},
        ),
        # The same with 53 counters more and without the two buffers.
        (
            "mmdet3",
            423,
            {
                "backbone.layer1.0.downsample.1.num_batches_tracked": (),
                "backbone.layer4.2.conv3.weight": (2048, 512, 1, 1),
                "neck.lateral_convs.0.conv.weight": (256, 512, 1, 1),
                "neck.fpn_convs.4.conv.bias": (256,),
                "bbox_head.cls_convs.3.conv.bias": (256,),
                "bbox_head.reg_convs.0.gn.weight": (256,),
                "bbox_head.conv_cls.weight": (80, 256, 3, 3),
                "bbox_head.conv_reg.bias": (4,),
                "bbox_head.conv_centerness.bias": (1,),
                "bbox_head.scales.2.scale": (),
                "bbox_head.controller.weight": (169, 256, 3, 3),
                "mask_head.mask_feature_head.convs_all_levels.2.conv2.conv.weight": (128, 256, 3, 3),
                "mask_head.mask_feature_head.convs_all_levels.0.conv0.bn.running_var": (128,),
                "mask_head.mask_feature_head.conv_branch.3.bn.num_batches_tracked": (),
                "mask_head.mask_feature_head.conv_pred.weight": (8, 128, 1, 1),
            },
        ),
        # Without the eight biases of the towers.
        (
            "mmdet-pr",
            415,
            {
                "neck.fpn_convs.3.conv.weight": (256, 2048, 3, 3),
                "bbox_head.reg_convs.3.gn.bias": (256,),
                "bbox_head.fcos_cls.bias": (80,),
                "bbox_head.fcos_reg.weight": (4, 256, 3, 3),
                "bbox_head.fcos_centerness.weight": (1, 256, 3, 3),
                "bbox_head.mask_refine.2.0.weight": (128, 256, 3, 3),
                "bbox_head.mask_refine.0.1.running_mean": (128,),
                "bbox_head.mask_head.3.1.weight": (128,),
                "bbox_head.mask_head.4.weight": (8, 128, 1, 1),
            },
        ),
    ],
)
def test_the_seeded_states_have_the_entries_of_their_code_base(
    name: str, entries: int, some: dict[str, tuple[int, ...]]
) -> None:
    state = CASES[name].state()
    assert len(state) == entries
    assert {key: tuple(state[key].shape) for key in some} == some


def numbers_of(tracked: bool) -> State:
    """AdelaiDet's or CrossVIS's."""
    return numbered(crossvis_state(None, 7, SLIM) if tracked else adelaidet_state(None, num_classes=7, widths=SLIM))


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, State]:
    """What AdelaiDet's file and CrossVIS's become; their own tests say that it is right."""
    folder = tmp_path_factory.mktemp("placed")
    files = {tracked: saved(folder / f"{tracked}.pth", numbers_of(tracked)) for tracked in (False, True)}
    return {tracked: load(path).model.state_dict() for tracked, path in files.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_entry_arrives_at_its_place_in_the_config_of_its_code_base(
    name: str, placed: dict[bool, State], tmp_path: Path
) -> None:
    """The same numbers as AdelaiDet's file gives, place by place."""
    case = CASES[name]
    found = load(saved(tmp_path / "theirs.pth", {"state_dict": case.make(numbers_of(case.tracked)), "meta": {}}))
    ours, theirs = found.model.state_dict(), placed[case.tracked]
    changed = {"backbone.stem.conv.weight"} if "mmdet" in name else set()
    if name.startswith("mmdet-pr"):
        changed |= {"fpn.p6.weight"} | {key for key in theirs if re.search(r"tower\.convs\.\d\.bias", key)}
        assert all(not ours[key].any() for key in changed if key.endswith("bias"))
        assert found.assumed["tower_biases"].startswith("0 in cls_tower, box_tower")
    assert set(ours) == set(theirs)
    assert {key for key in theirs if not torch.equal(ours[key], theirs[key])} == changed
    assert {"backbone_style", "decode_rule", "classes"} <= set(found.assumed)

    config = found.config
    assert (found.layout, decode_rule(config)) == (case.layout, case.decode_rule)
    # mmdetection 3's one CondInst configuration resizes by Pillow; that of pull request 5248 by OpenCV.
    assert config.resize == ("linear" if case.layout == "mmdet-pr" else "pil-bilinear")
    if case.style == "torchvision":
        assert (config.stride_in_1x1, config.channel_order) == (False, "rgb")
        assert (config.pixel_mean, config.pixel_std) == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    else:
        assert (config.stride_in_1x1, config.channel_order, config.pixel_std) == (True, "bgr", (1, 1, 1))
        assert config.pixel_mean == (CAFFE_MEAN if case.layout == "fcos" else (103.53, 116.28, 123.675))
    assert config.mask_out_stride == (8 if case.layout == "mmdet-pr" else 4)
    assert config.nms_threshold == (0.5 if case.layout == "mmdet-pr" else 0.6)
    assert config.p6_from == ("c5" if case.layout == "mmdet-pr" else "p5")
    assert (config.fpn_channels, config.cls_convs, config.mask_branch_channels, config.mask_branch_convs) == (
        64,
        2,
        32,
        2,
    )
    assert config.num_classes == 7
    assert (config.track_dim, config.track_norm) == ((256, True) if case.tracked else (0, False))


@pytest.mark.parametrize("name", ["fcos", "mmdet3", "mmdet-pr"])
def test_101_layers(name: str, tmp_path: Path) -> None:
    state = numbered(CASES[name].state(depth=101, num_classes=3, widths=SLIM))
    assert load(saved(tmp_path / "c.pth", state)).config.backbone == "resnet101"


def test_the_flags_win_over_the_layout(tmp_path: Path) -> None:
    path = saved(tmp_path / "c.pth", numbered(slim(CASES["mmdet-pr"])))
    checkpoint = load(path, backbone_style="msra", decode_rule="adelaidet")
    assert not {"backbone_style", "decode_rule"} & set(checkpoint.assumed)
    config = checkpoint.config
    assert decode_rule(config) == "adelaidet"
    # The caffe configurations of the pull request have this mean.
    assert (config.channel_order, config.pixel_mean, config.mask_out_stride) == ("bgr", CAFFE_MEAN, 4)
    with pytest.raises(InputError, match="--decode-rule yolo: must be one of adelaidet, mmdet3, mmdet-pr"):
        load(path, decode_rule="yolo")  # type: ignore[arg-type]


def test_mmdetections_towers_may_have_biases_or_not_but_not_some(tmp_path: Path) -> None:
    state = numbered(slim(CASES["mmdet3"]))
    assert "tower_biases" not in load(saved(tmp_path / "all.pth", state)).assumed
    bare = {name: tensor for name, tensor in state.items() if "cls_convs" not in name or "conv.bias" not in name}
    assert "0 in cls_tower," in load(saved(tmp_path / "bare.pth", bare)).assumed["tower_biases"]
    del state["bbox_head.cls_convs.1.conv.bias"]
    with pytest.raises(CheckpointError, match=r"missing \(1\):\n +bbox_head\.cls_convs\.1\.conv\.bias"):
        load(saved(tmp_path / "some.pth", state))


@pytest.mark.parametrize("name", CASES)
def test_all_differences_are_listed_in_the_names_of_the_file(name: str, tmp_path: Path) -> None:
    """One entry is gone, one renamed, two are too many, one has another shape."""
    state = numbered(slim(CASES[name]))
    gone = next(key for key in state if "controller" in key and key.endswith("bias"))
    moved = next(key for key in state if re.search(r"(layer3|res4)\.2\.conv2\.weight", key))
    bent = next(key for key in state if re.search(r"(bbox_pred|conv_reg|fcos_reg)\.bias", key))
    del state[gone]
    state[f"{moved}.old"] = state.pop(moved)
    state["ema.updates"] = torch.zeros(())
    state[bent] = torch.zeros(5)
    with pytest.raises(CheckpointError) as caught:
        load(saved(tmp_path / "c.pth", state))
    text = str(caught.value)
    listed = {
        kind: sorted(re.findall(r"\n    (\S+)", part))
        for kind, part in re.findall(r"\n  (missing|unexpected|misshapen) \(\d+\):((?:\n    .*)+)", text)
    }
    assert listed == {
        "missing": sorted([gone, moved]),
        "unexpected": sorted([f"{moved}.old", "ema.updates"]),
        "misshapen": [bent],
    }
    assert f"{bent} is (5,), must be (4,)" in text
    assert f"closest known layout: {CASES[name].layout} (" in text


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].tracked])
def test_an_incomplete_tracking_head_is_an_error(name: str, tmp_path: Path) -> None:
    state = numbered(slim(CASES[name]))
    pred = next(key for key in state if re.search(r"(reid|track)_pred\.bias", key))
    del state[pred]
    with pytest.raises(CheckpointError, match=rf"missing \(1\):\n +{re.escape(pred)}(\n|$)"):
        load(saved(tmp_path / "c.pth", state))


def test_a_tracking_head_under_other_names_is_left_over_and_listed(tmp_path: Path) -> None:
    state = numbered(slim(CASES["mmdet3"]))
    state |= {f"track_head.fcs.0.{part}": torch.zeros(256) for part in ("weight", "bias")}
    with pytest.raises(CheckpointError, match=r"unexpected \(2\):\n +track_head\.fcs\.0\.weight"):
        load(saved(tmp_path / "c.pth", state))


def test_a_box_detector_lacks_the_mask_parts(tmp_path: Path) -> None:
    """What the FCOS repository itself wrote."""
    state = {k: v for k, v in numbered(slim(CASES["fcos"])).items() if not re.match("controller|mask_", k)}
    with pytest.raises(CheckpointError, match="closest known layout: fcos") as caught:
        load(saved(tmp_path / "c.pth", state))
    assert "controller.weight" in str(caught.value)
    assert "mask_branch.refine.0.0.weight" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("torchvision", ("conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "fc.bias")),
        ("detectron2", ("stem.conv1.weight", "res2.0.conv1.weight")),
        ("caffe2", ("conv1_w", "res2_0_branch2a_w", "res2_0_branch2a_bn_s")),
        ("efficientnet", ("_conv_stem.weight", "_bn0.weight")),
    ],
)
def test_a_bare_backbone_is_for_training(source: str, names: tuple[str, ...], tmp_path: Path) -> None:
    path = saved(tmp_path / "R-50.pth", {"model": {name: torch.zeros(1) for name in names}})
    expected = rf"only a backbone \({source} names.*pyramid.*head.*mask branch are missing.*stc-train --init {path}"
    with pytest.raises(CheckpointError, match=expected):
        load(path)


def test_a_bare_backbone_in_a_caffe2_pickle(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "R-50.pkl"
    blobs = {"conv1_w": np.zeros((64, 3, 7, 7), np.float32), "res2_0_branch1_w": np.zeros(3, np.float32)}
    path.write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    with pytest.raises(CheckpointError, match=r"only a backbone \(caffe2 names"):
        load(path)
