"""A checkpoint's own training config decides what its weights do not tell, and is held against what they do."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.model.checkpoint.class_names import KNOWN
from stc.model.checkpoint.configs import detectron2, mmengine
from stc.model.checkpoint.configs.literals import assignments
from stc.model.checkpoint.examine import Examined, examine
from stc.model.checkpoint.options import Reading
from stc.model.checkpoint.reading import files
from stc.model.config import R50
from stc.model.decode_rules import decode_rule
from tests.foreign_layouts import CASES
from tests.model.checkpoint.configs.published import DETECTRON2, MMDET2, MMDET3, changed
from tests.mutations import odd_json
from tests.seeded import SIZES_OF_INTEREST, adelaidet_state, crossvis_state

State = dict[str, Tensor]
FCOS, CONDINST = "MODEL.FCOS", "MODEL.CONDINST"


def condinst(**options: Any) -> State:
    return {**adelaidet_state(None, **options), SIZES_OF_INTEREST: torch.tensor([64, 128, 256, 512, 1024])}


def of(folder: Path, state: object, beside: object = None, **options: Any) -> Examined:
    """What is known of a file of `state`, with the config `beside` it."""
    torch.save(state, folder / "model.pth")
    if beside is not None:
        (folder / "config.yaml").write_text(beside if isinstance(beside, str) else yaml.safe_dump(beside))
    return examine(folder / "model.pth", files.read(folder / "model.pth"), Reading(**options))


def with_meta(name: str, text: str, **meta: Any) -> dict[str, Any]:
    """A file of the code base `name`, as it saves one: no numbers, all of its names."""
    return {"state_dict": CASES[name].state(None), "meta": {"cfg": text, "epoch": 12, "hook": print, **meta}}


def test_the_published_config_changes_nothing_but_the_size_and_leaves_nothing_to_assume(tmp_path: Path) -> None:
    alone = of(tmp_path, condinst())
    found = of(tmp_path, condinst(), DETECTRON2)
    assert found.error() is None
    assert found.config == alone.config.with_(input_size=(750, 1333), shortest_edge=(800, 1333))
    assert found.config.shortest_edge == (800, 1333)
    assert set(alone.origins.assumed) == {
        "classes", "backbone_style", "decode_rule", "input_size", "decode_constants"
    }  # fmt: skip
    assert found.origins.assumed == {} and alone.origins.read == {}
    assert found.origins.read["nms_threshold"] == "0.6 (MODEL.FCOS.NMS_TH of config.yaml)"
    assert found.origins.read["classes"].startswith("coco (DATASETS.TRAIN of ")


@pytest.mark.parametrize(
    ("key", "value", "field", "read"),
    [
        (f"{CONDINST}.MASK_OUT_STRIDE", 8, "mask_out_stride", 8),
        (f"{CONDINST}.MASK_OUT_STRIDE", 2, "mask_out_stride", 2),
        (f"{FCOS}.THRESH_WITH_CTR", False, "threshold_with_centerness", False),
        (f"{FCOS}.NMS_TH", 0.5, "nms_threshold", 0.5),
        (f"{FCOS}.INFERENCE_TH_TEST", 0.1, "score_threshold", 0.1),
        (f"{FCOS}.PRE_NMS_TOPK_TEST", 200, "pre_nms_topk", 200),
        (f"{FCOS}.POST_NMS_TOPK_TEST", 50, "max_detections", 50),
        (f"{FCOS}.BOX_QUALITY", "iou", "score_form", "sqrt"),  # multiplied all the same
        ("MODEL.RESNETS.STRIDE_IN_1X1", False, "stride_in_1x1", False),
        ("MODEL.PIXEL_MEAN", [123.675, 116.28, 103.53], "pixel_mean", (123.675, 116.28, 103.53)),
        ("MODEL.PIXEL_STD", "(58.395, 57.12, 57.375)", "pixel_std", (58.395, 57.12, 57.375)),
        ("INPUT.FORMAT", "RGB", "channel_order", "rgb"),
        ("INPUT.MIN_SIZE_TEST", 360, "input_size", (360, 640)),
        ("INPUT.MAX_SIZE_TEST", 800, "input_size", (450, 800)),
        ("INPUT.MIN_SIZE_TEST", 0, "input_size", (360, 640)),  # no resize: nothing to read
        ("DATASETS.TRAIN", ["my_data"], "classes", KNOWN["coco"]),
    ],
)
def test_what_detectron2_says_is_taken(key: str, value: Any, field: str, read: Any, tmp_path: Path) -> None:
    found = of(tmp_path, condinst(), changed(key, value))
    assert found.error() is None
    assert getattr(found.config, field) == read


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("MODEL.RESNETS.RES5_DILATION", 2, "a dilated res5"),
        ("MODEL.FPN.FUSE_TYPE", "avg", "a pyramid that averages"),
        (f"{FCOS}.FPN_STRIDES", [4, 8, 16, 32, 64], "other strides of the pyramid"),
        (f"{FCOS}.IN_FEATURES", ["p2", "p3", "p4", "p5", "p6"], "other levels of the pyramid"),
        (f"{CONDINST}.MASK_BRANCH.IN_FEATURES", ["p3", "p4"], "other levels below the mask branch"),
    ],
)
def test_what_no_model_of_ours_has_is_refused_by_its_name(key: str, value: Any, named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"config\.yaml: a model that is not supported: {named} \({key} "):
        of(tmp_path, condinst(), changed(key, value)).error()


@pytest.mark.parametrize(
    ("key", "value", "both"),
    [
        ("MODEL.RESNETS.DEPTH", 101, "says backbone resnet101, its weights resnet50"),
        (f"{FCOS}.NUM_CLASSES", 40, "says num_classes 40, its weights 80"),
        (
            f"{FCOS}.SIZES_OF_INTEREST",
            [32, 64, 128, 256],
            "says sizes_of_interest 32, 64, 128, 256, 512, its weights 64",
        ),
        (f"{FCOS}.NUM_BOX_CONVS", 2, "says box_convs 2, its weights 4"),
        (f"{CONDINST}.MASK_BRANCH.CHANNELS", 64, "says mask_branch_channels 64, its weights 128"),
    ],
)
def test_a_config_that_contradicts_the_weights_is_an_error_with_both(
    key: str, value: Any, both: str, tmp_path: Path
) -> None:
    error = of(tmp_path, condinst(), changed(key, value)).error()
    assert isinstance(error, CheckpointError)
    assert f"{key} of {tmp_path / 'config.yaml'} {both}" in str(error)
    assert "model.pth" in str(error) and "--config FILE" in str(error)


def test_the_sizes_of_interest_are_read_where_the_weights_do_not_store_them(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in condinst().items() if name != SIZES_OF_INTEREST}
    found = of(tmp_path, state, changed(f"{FCOS}.SIZES_OF_INTEREST", [32, 64, 128, 256]))
    assert found.error() is None and found.config.sizes_of_interest == (32, 64, 128, 256, 512)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{FCOS}.NMS_TH", 2),
        (f"{FCOS}.NMS_TH", "0.6x"),
        (f"{FCOS}.POST_NMS_TOPK_TEST", -1),
        (f"{FCOS}.THRESH_WITH_CTR", "yes"),
        (f"{FCOS}.PRE_NMS_TOPK_TEST", [1000]),
        (f"{FCOS}.PRE_NMS_TOPK_TEST", 50),  # fewer candidates than detections
        (f"{CONDINST}.MASK_OUT_STRIDE", 3),
        (f"{FCOS}.SIZES_OF_INTEREST", "x"),
        ("MODEL.PIXEL_MEAN", [1, 2]),
        ("MODEL.PIXEL_STD", [1, 0, 1]),
        ("INPUT.FORMAT", "YUV"),
        ("MODEL.RESNETS.DEPTH", {"a": 1}),
    ],
)
def test_a_value_that_is_none_is_an_error_of_the_config(key: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.yaml: .*; give the config that this checkpoint was trained with"):
        of(tmp_path, condinst(), changed(key, value)).error()


def test_options_go_before_the_config(tmp_path: Path) -> None:
    found = of(tmp_path, condinst(), DETECTRON2, backbone_style="torchvision", classes=KNOWN["coco"][::-1])
    assert found.config.channel_order == "rgb" and found.config.classes == KNOWN["coco"][::-1]
    assert not {"channel_order", "pixel_mean", "classes"} & found.origins.read.keys()
    found = of(tmp_path, condinst(), DETECTRON2, decode_rule="mmdet3")
    assert decode_rule(found.config) == "mmdet3"


def test_crossvis_names_its_classes_and_its_tracker(tmp_path: Path) -> None:
    video = changed("INPUT", {"MIN_SIZE_TEST": 360, "MAX_SIZE_TEST": 640, "FORMAT": "BGR"}, DETECTRON2)
    video = changed(f"{FCOS}.NUM_CLASSES", 40, changed("DATASETS.TRAIN", "('youtubevis_train',)", video))
    found = of(tmp_path, crossvis_state(None), video)
    assert found.error() is None and found.config.classes == KNOWN["ytvis2019"]
    assert found.config.input_size == (360, 640) and "input_size" in found.origins.read
    assert set(found.origins.assumed) == {"tracker"}


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_config_names_another_file(suffix: str, tmp_path: Path) -> None:
    other = tmp_path / f"other{suffix}"
    other.write_text(json.dumps(changed(f"{FCOS}.NMS_TH", 0.7)))
    found = of(tmp_path, condinst(), changed(f"{FCOS}.NMS_TH", 0.5), config=other)
    assert found.config.nms_threshold == 0.7 and f"of other{suffix})" in found.origins.read["nms_threshold"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.yaml", None, "cannot be read"),
        ("c.yaml", "a: [", "PyYAML cannot use it"),
        ("c.yaml", "a: !!python/object/apply:os.mkdir [ran]", "PyYAML cannot use it"),
        ("c.yaml", "- 1", "holds no entries"),
        ("c.yaml", "[" * 5000, "PyYAML cannot use it"),
        ("c.json", "[" * 200_000, "cannot be read"),
        ("c.py", "x = (", "cannot be read"),
        ("c.py", "x = 3", "neither a config of detectron2"),
        ("c.py", "_base_ = 'condinst_r50.py'", "rests on another file"),
        ("c.yaml", "_BASE_: Base-CondInst.yaml", "rests on another file"),
        ("c.yaml", "a: 1\n" * 100_000, "so no config"),
        ("c.py", MMDET3, "a config of mmengine, but"),
    ],
)
def test_a_named_config_that_is_none_is_refused(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        of(tmp_path, condinst(), config=tmp_path / name).error()
    assert not (tmp_path / "ran").exists() and not Path("ran").exists()


@pytest.mark.parametrize("text", ["name: something else", "MODEL: yes", "- 1\n- 2", ""])
def test_a_config_of_something_else_beside_the_checkpoint_does_not_matter(text: str, tmp_path: Path) -> None:
    found = of(tmp_path, condinst(), text)
    assert found.error() is None and found.origins.read == {} and "decode_rule" in found.origins.assumed


def test_a_config_beside_the_checkpoint_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    found = of(tmp_path, condinst(), "a: [")
    assert found.error() is None
    assert "PyYAML cannot use it" in found.origins.assumed["config"]


def test_mmdetection_keeps_its_config_and_its_classes_in_the_file(tmp_path: Path) -> None:
    names = tuple(f"thing {index}" for index in range(80))
    alone = of(tmp_path, {"state_dict": CASES["mmdet3"].state(None)})
    found = of(tmp_path, with_meta("mmdet3", MMDET3, dataset_meta={"classes": names, "palette": [(1, 2, 3)]}))
    assert found.error() is None
    assert found.config == alone.config.with_(classes=names, input_size=(750, 1333), shortest_edge=(800, 1333))
    assert found.config.shortest_edge == (800, 1333)
    assert found.origins.read["classes"] == "80 names (dataset_meta.classes of the meta of model.pth)"
    assert found.origins.assumed == {}


def test_mmdetection_2_keeps_them_under_other_names(tmp_path: Path) -> None:
    state = {"state_dict": CASES["mmdet-pr"].state(None), "meta": {"config": MMDET2, "CLASSES": KNOWN["coco"]}}
    alone = of(tmp_path, state | {"meta": {}})
    found = of(tmp_path, state)
    assert found.error() is None and found.config == alone.config
    assert found.origins.read["input_size"].startswith("360, 640 (scale of Resize")
    assert found.origins.read["nms_threshold"].startswith("0.5 (model.test_cfg.nms.iou_thr of the meta of")
    assert set(found.origins.assumed) == {"tower_biases", "decode_constants"}  # its masks have one stride


@pytest.mark.parametrize(
    ("old", "new", "field", "read"),
    [
        ("mask_out_stride=4", "mask_out_stride=8", "mask_out_stride", 8),
        ("score_thr=0.05", "score_thr=0.1", "score_threshold", 0.1),
        ("iou_threshold=0.6", "iou_threshold=0.5", "nms_threshold", 0.5),
        ("nms_pre=1000", "nms_pre=300", "pre_nms_topk", 300),
        ("max_per_img=100", "max_per_img=10", "max_detections", 10),
        ("min_bbox_size=0", "min_bbox_size=-1", "drop_empty_boxes", False),
        ("size_of_interest=8", "size_of_interest=4", "sizes_of_interest", (32, 64, 128, 256, 512)),
        ("(1333, 800)", "(360, 640)", "input_size", (360, 640)),
        ("style='pytorch'", "style='caffe'", "stride_in_1x1", True),
        ("bgr_to_rgb=True", "bgr_to_rgb=False", "channel_order", "bgr"),
        ("std=[58.395, 57.12, 57.375]", "std=[1.0, 1.0, 1.0]", "pixel_std", (1, 1, 1)),
        ("keep_ratio=True", "keep_ratio=True, backend='pillow'", "resize", "pil-bilinear"),
    ],
)
def test_what_mmdetection_says_is_taken(old: str, new: str, field: str, read: Any, tmp_path: Path) -> None:
    assert old in MMDET3
    found = of(tmp_path, with_meta("mmdet3", MMDET3.replace(old, new)))
    assert found.error() is None
    assert getattr(found.config, field) == read


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("type='nms'", "type='soft_nms'", "another suppression"),
        ("keep_ratio=True", "keep_ratio=False", "frames that are stretched to the input"),
        ("mask_thr=0.5", "mask_thr=0.4", "another threshold of masks"),
        ("min_bbox_size=0", "min_bbox_size=8", "a least size of boxes"),
        ("norm_on_bbox=True, ", "", "boxes as exponentials"),
        ("centerness_on_reg=True", "centerness_on_reg=False", "centerness from the class tower"),
        ("'on_output'", "'on_lateral'", "P6 from a lateral convolution"),
        ("relu_before_extra_convs=True", "", "P7 without a ReLU before it"),
        ("pad_size_divisor=32", "pad_size_divisor=64", "another padding than to multiples of 32"),
        ("num_layers=3", "num_layers=3, disable_rel_coors=True", "mask heads without relative coordinates"),
    ],
)
def test_what_mmdetection_does_and_we_do_not_is_refused(old: str, new: str, named: str, tmp_path: Path) -> None:
    assert old in MMDET3
    with pytest.raises(InputError, match=rf"the meta of model\.pth: a model that is not supported: {named}"):
        of(tmp_path, with_meta("mmdet3", MMDET3.replace(old, new))).error()


def test_a_meta_that_says_nothing_is_as_none(tmp_path: Path) -> None:
    for meta in ({}, {"cfg": 3}, {"cfg": "x = 1"}, {"dataset_meta": {"classes": 3}}, {"CLASSES": [1, 2]}):
        found = of(tmp_path, {"state_dict": CASES["mmdet3"].state(None), "meta": meta})
        assert found.error() is None and found.origins.read == {}
        assert {"classes", "decode_rule", "input_size"} <= found.origins.assumed.keys()
    found = of(tmp_path, with_meta("mmdet3", "x = ("))
    assert "that in the file cannot be read" in found.origins.assumed["config"]


def test_class_names_of_another_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset_meta\.classes of the meta of model\.pth: 3 names, but"):
        of(tmp_path, with_meta("mmdet3", MMDET3, dataset_meta={"classes": ("a", "b", "c")})).error()


def test_a_file_with_its_own_config_takes_no_other(tmp_path: Path) -> None:
    lite = Path(__file__).parents[4] / "assets" / "stc-lite-2.safetensors"
    with pytest.raises(InputError, match="leave out --config"):
        examine(lite, files.read(lite), Reading(config=tmp_path / "c.yaml"))


@pytest.mark.parametrize("reader", [detectron2, mmengine])
def test_whatever_a_config_holds_it_is_read_or_refused(reader: Any) -> None:
    """Mutations of the published ones, applied as those are."""
    trees = [DETECTRON2] if reader is detectron2 else [assignments(MMDET3), assignments(MMDET2)]
    read = 0
    for seed in range(300):
        r = random.Random(seed)
        odd = odd_json(r, r.choice(trees), 1)
        try:
            if isinstance(odd, dict) and reader.is_one(odd):
                said = reader.read(odd, "odd")
                said.check()
                said.applied(R50, said.said.keys() - {"classes", "num_classes"})
                said.contradiction(R50, ("backbone", "cls_convs", "sizes_of_interest"))
                read += 1
        except InputError as error:
            assert len(str(error)) < 2000
    assert 30 < read < 290
