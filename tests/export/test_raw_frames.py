"""From the raw frame: an exported model that takes any shape against what its original makes of the frame, in float64.

The original's resize, padding, decode and way back are the independent statement's; only the convolutions between are
PyTorch's, in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stc.benchmarks.models.pytorch import TorchBackend
from stc.export.graph.graph import trace, with_passport
from stc.export.sizes import Batch
from stc.model.backbones.backbone import Backbone, BackboneNetwork
from stc.model.backbones.known import BACKBONES
from stc.model.checkpoint.load import Checkpoint
from stc.model.checkpoint.passport import passport_of
from stc.model.config import STC_LITE, ModelConfig
from stc.model.decode_rules import DecodeRule, with_decode_rule
from stc.model.network import STC, STCDeploy
from stc.runtime import Session
from tests.reference import condinst
from tests.seeded import stc_lite_model

pytestmark = pytest.mark.slow

WIDTHS = (16, 24, 40, 56, 64)


class Five(BackboneNetwork):
    """Five strided convolutions: what a graph of any size costs to trace grows with its nodes."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS[:-1])
        self.steps = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in zip(inputs, WIDTHS, strict=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features = []
        for step in self.steps:
            x = step(x).relu()
            features.append(x)
        return features[1], features[2], features[3], features[4]


FIVE = Backbone("five", lambda config: Five(), channels=WIDTHS[1:], parts=("steps",), mark=r"steps\.")
EDGES = (360, 640)
SHAPES = [(720, 1280), (480, 640), (1280, 720), (480, 854), (300, 1000)]
# A small network with what makes borders matter: group norm. ResNet's mean and order of the colours.
SMALL = STC_LITE.with_(
    backbone=FIVE.name,
    fpn_channels=32,
    mask_branch_channels=16,
    **dict.fromkeys(("cls_convs", "box_convs", "track_convs", "mask_branch_convs"), 1),
    track_dim=8,
    head_norm="group",
    input_size=EDGES,
    shortest_edge=EDGES,
    channel_order="bgr",
    classes=("a", "b", "c", "d", "e"),
)


@pytest.fixture(scope="module", autouse=True)
def _known() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, FIVE.name, FIVE)
        yield


def network(rule: DecodeRule) -> STC:
    model = stc_lite_model(3, SMALL, class_bias=-5.0)
    model.config = with_decode_rule(SMALL, rule).with_(max_detections=25)
    return model


@dataclass(frozen=True)
class Stated:
    """What the original shows of a frame: boxes (n, 4) and masks (n, H0, W0) in its pixels; which rounding decides."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_]
    firm: list[bool]


@cache
def picture(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Soft patches with noise."""
    rng = np.random.default_rng(shape[0])
    height, width = shape
    cell = min(shape) // 8
    patches = np.kron(rng.integers(0, 256, (height // cell + 1, width // cell + 1, 3)), np.ones((cell, cell, 1)))
    return np.clip(patches[:height, :width] + rng.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)


@cache
def raw_outputs(shape: tuple[int, int], resize: str) -> tuple[condinst.Raw, tuple[int, int]]:
    """The heads' outputs in float64, and the size of the resized picture."""
    model = network("adelaidet").double()
    size = condinst.network_size(shape, *EDGES)
    pixels = condinst.network_input(picture(shape), size, resize, SMALL)
    with torch.inference_mode():
        raw = model(torch.from_numpy(pixels)[None])
    return condinst.one_image(raw, 0), size


def stated(shape: tuple[int, int], rule: DecodeRule, config: ModelConfig) -> Stated:
    raw, size = raw_outputs(shape, config.resize)
    rules = condinst.rules_of(config, input_size=size)
    found = condinst.decode_deployed(rule, raw, rules)
    firm = keys(found)
    for name in ("score_threshold", "nms_threshold"):
        for change in (-1e-4, 1e-4):
            moved = condinst.rules_of(config, input_size=size, **{name: getattr(config, name) + change})
            firm &= keys(condinst.decode_deployed(rule, raw, moved))
    upsample = 8 // config.mask_out_stride
    probabilities = condinst.mask_head(raw.mask_feats, found.params, found.locations, found.sizes, upsample=upsample)
    padded = tuple(8 * side for side in raw.mask_feats.shape[1:])
    boxes, shown = condinst.boxes_to_frame(found.boxes, size, shape)
    masks = condinst.paste(probabilities[shown], padded, size, shape) > 0.5
    certain = [key(found, index) in firm for index in np.flatnonzero(shown)]
    return Stated(boxes[shown], found.scores[shown], found.labels[shown], masks, certain)


def keys(found: condinst.Detections) -> set[tuple[float, ...]]:
    return {key(found, index) for index in range(len(found))}


def key(found: condinst.Detections, index: int) -> tuple[float, ...]:
    return (*found.locations[index], found.sizes[index], found.labels[index])


@pytest.fixture(scope="module", params=["adelaidet", "mmdet3", "mmdet-pr"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[DecodeRule, Session]:
    """With ONNX Runtime, but for one: tracing a graph takes half a minute, and PyTorch's decode is the same code."""
    rule = request.param
    model = network(rule)
    passport = passport_of(Checkpoint(model, model.config, rule, "", {}), "seeded.pth", "seeded")
    if rule == "mmdet-pr":
        return rule, Session.from_backend(TorchBackend(model, passport), passport, "PyTorch")
    path = tmp_path_factory.mktemp(rule) / "model.onnx"
    onnx.save(with_passport(trace(model, "fp32", Batch()).deployed, passport), path)
    return rule, Session(path)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[1]}x{shape[0]}")
def test_a_raw_frame_gives_what_the_original_gives(
    exported: tuple[DecodeRule, Session], shape: tuple[int, int]
) -> None:
    """Boxes within 0.05 pixels of the frame, masks within 0.02 % of their pixels, all in float32 against float64.

    Detections that rounding decides may be missing or more: those within 1e-4 of a threshold.
    """
    rule, session = exported
    expected = stated(shape, rule, ModelConfig.from_dict(session.passport.model))
    result = session.stream()(picture(shape))
    masks = result.masks.dense()
    differing = total = 0
    for index, certain in enumerate(expected.firm):
        same = np.flatnonzero(result.labels == expected.labels[index])
        distances = [float(np.abs(result.boxes[row] - expected.boxes[index]).max()) for row in same]
        if not certain and min(distances, default=1.0) > 0.05:
            continue
        assert min(distances) <= 0.05
        row = same[int(np.argmin(distances))]
        assert abs(result.scores[row] - expected.scores[index]) <= 1e-4
        differing += int((masks[row] != expected.masks[index]).sum())
        total += int(expected.masks[index].sum())
    assert abs(len(result) - len(expected.firm)) <= expected.firm.count(False)
    assert expected.firm.count(True) >= 10
    assert total > 0 and differing < 2e-4 * total


@pytest.mark.parametrize(
    "size", [(360, 480), (161, 224), (64, 640), (5, 300)], ids=lambda size: "x".join(map(str, size))
)
def test_it_finds_what_a_model_of_one_size_finds(exported: tuple[DecodeRule, Session], size: tuple[int, int]) -> None:
    """In PyTorch, in float32. Where a picture has fewer candidates than the capacity, one size is refused: then any."""
    rule, session = exported
    model = network(rule)
    if min(size) > 32:
        model.config = model.config.with_(input_size=size, shortest_edge=None)
    frames = picture((720, 1280))[None, : size[0], : size[1]].copy()
    with torch.inference_mode():
        expected = STCDeploy(model)(torch.from_numpy(frames))
    found = session.infer(frames)
    for name, values in found.items():
        # float32 through twenty layers; boxes and embeddings are of the order of a hundred and of ten
        np.testing.assert_allclose(values, expected[name].numpy(), atol=1e-2 if name == "boxes" else 1e-3, err_msg=name)
