"""The float64 statement itself, against PyTorch's own resampling: the tests of the model stand on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from tests.reference.condinst import Raw, Rules, aligned_bilinear, boxes_to_frame, decode_adelaidet, greedy_nms, paste


def aligned_in_torch(x: Tensor, factor: int) -> Tensor:
    height, width = x.shape[2:]
    x = pad(x, (0, 1, 0, 1), mode="replicate")
    x = interpolate(x, size=(factor * height + 1, factor * width + 1), mode="bilinear", align_corners=True)
    x = pad(x, (factor // 2, 0, factor // 2, 0), mode="replicate")
    return x[:, :, : factor * height, : factor * width]


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (12, 20)])
def test_aligned_bilinear_follows_its_definition(factor: int, size: tuple[int, int]) -> None:
    x = np.random.default_rng(factor).normal(size=(3, *size))
    expected = aligned_in_torch(torch.from_numpy(x)[None], factor)[0].numpy()
    assert np.abs(aligned_bilinear(x, factor) - expected).max() < 1e-12  # float64 rounding


@pytest.mark.parametrize("resized", [(90, 160), (96, 160), (83, 141)])
@pytest.mark.parametrize("frame", [(180, 320), (50, 77), (90, 160)])
def test_paste_is_upsampling_crop_and_half_pixel_resize(resized: tuple[int, int], frame: tuple[int, int]) -> None:
    prob = np.random.default_rng(0).random((2, 24, 40))
    large = aligned_in_torch(torch.from_numpy(prob)[None], 4)[:, :, : resized[0], : resized[1]]
    expected = interpolate(large, size=frame, mode="bilinear", align_corners=False)[0].numpy()
    assert np.abs(paste(prob, (96, 160), resized, frame) - expected).max() < 1e-12  # float64 rounding


def test_boxes_are_scaled_clipped_and_empty_ones_marked() -> None:
    boxes = np.array([[-5.0, 10, 20, 30], [90, 10, 120, 30], [110, 0, 130, 9]])
    scaled, kept = boxes_to_frame(boxes, resized=(50, 100), frame=(100, 300))
    assert scaled.tolist() == [[0, 20, 60, 60], [270, 20, 300, 60], [300, 0, 300, 18]]
    assert kept.tolist() == [True, True, False]


def test_greedy_nms_keeps_what_only_a_suppressed_box_overlaps() -> None:
    chain = np.array([[0.0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10], [0, 0, 10, 10]])  # neighbours overlap by 2/3
    assert greedy_nms(chain, np.array([0, 0, 0, 1]), 0.6).tolist() == [0, 2, 3]


def test_adelaidet_keeps_ties_at_the_last_place() -> None:
    ltrb = np.full((4, 1, 4), 0.4)  # boxes that do not touch
    logits = np.array([3.0, 1, 1, 1]).reshape(1, 1, 4)
    raw = Raw([logits], [np.full((1, 1, 4), 9.0)], [ltrb], [np.zeros((169, 1, 4))], [], np.zeros((8, 1, 4)))
    rules = Rules(max_detections=2, strides=(8,), sizes_of_interest=(64,))
    assert len(decode_adelaidet(raw, rules)) == 4
