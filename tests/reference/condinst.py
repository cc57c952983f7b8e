"""CondInst's inference stated independently: plain float64 NumPy, one image at a time, no torch.

It goes from the raw frame to the input of the network, and from the raw outputs of the heads on (the convolutions
between are PyTorch's own), and follows the published definitions step by step, the slow way where the model under test
takes a short cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Raw:
    """Head outputs of one image; lists run over the levels.

    logits (C, h, w), centerness (1, h, w) logits, ltrb (4, h, w) in strides, params (P, h, w), embeddings (D, h, w) or
    an empty list, mask_feats (8, H/8, W/8).
    """

    logits: list[Array]
    centerness: list[Array]
    ltrb: list[Array]
    params: list[Array]
    embeddings: list[Array]
    mask_feats: Array


@dataclass(frozen=True)
class Rules:
    """Numbers of the decode; the defaults are AdelaiDet's. `input_size` (H, W): to which some rules clip boxes."""

    score_threshold: float = 0.05
    pre_nms_topk: int = 1000
    nms_threshold: float = 0.6
    max_detections: int = 100
    strides: tuple[int, ...] = (8, 16, 32, 64, 128)
    sizes_of_interest: tuple[int, ...] = (64, 128, 256, 512, 1024)
    input_size: tuple[int, int] = (360, 640)
    nms_dtype: Any = np.float64


@dataclass(frozen=True)
class Detections:
    """n detections, best first.

    boxes (n, 4) xyxy, scores (n,), labels (n,), params (n, P), locations (n, 2), sizes (n,), embeddings (n, D).
    """

    boxes: Array
    scores: Array
    labels: Ints
    params: Array
    locations: Array
    sizes: Array
    embeddings: Array

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Detections:
        return Detections(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def one_image(outputs: Any, index: int) -> Raw:
    """Image `index` of batched head outputs: an object with the fields of `Raw`, arrays with a batch axis in front."""
    values: dict[str, Any] = {}
    for name in Raw.__dataclass_fields__:
        value = getattr(outputs, name)
        values[name] = (
            [np.asarray(level[index]) for level in value] if isinstance(value, list) else np.asarray(value[index])
        )
    return Raw(**values)


def rules_of(config: Any, **changes: Any) -> Rules:
    """The rules of a model's config, which has fields of the same names."""
    shared = [name for name in Rules.__dataclass_fields__ if name != "nms_dtype"]
    return Rules(**{**{name: getattr(config, name) for name in shared}, **changes})


def decode_design(raw: Raw, rules: Rules) -> Detections:
    """The decode of the deployed graph: best `pre_nms_topk` of all levels, ties by lower index, exactly K kept."""
    levels = [_candidates(raw, rules, level) for level in range(len(rules.strides))]
    found = _concatenate(levels)
    # A stable sort of the negated quality: descending, and among equals the lower index first.
    found = found[np.argsort(-found.scores, kind="stable")[: rules.pre_nms_topk]]
    found = found[greedy_nms(found.boxes, found.labels, rules.nms_threshold, rules.nms_dtype)]
    found = found[: rules.max_detections]
    return _with_root(found)


def decode_adelaidet(raw: Raw, rules: Rules) -> Detections:
    """The published decode: best `pre_nms_topk` of each level, and the K-th best score as a threshold, ties kept."""
    levels = []
    for level in range(len(rules.strides)):
        found = _candidates(raw, rules, level)
        levels.append(found[np.argsort(-found.scores, kind="stable")[: rules.pre_nms_topk]])
    found = _with_root(_concatenate(levels))
    found = found[np.argsort(-found.scores, kind="stable")]
    found = found[greedy_nms(found.boxes, found.labels, rules.nms_threshold, rules.nms_dtype)]
    if len(found) > rules.max_detections:
        kth_best = np.sort(found.scores)[len(found) - rules.max_detections]
        found = found[found.scores >= kth_best]
    return found


def decode_mmdet3(raw: Raw, rules: Rules, best_of_all: int | None = None) -> Detections:
    """mmdetection 3.x: of each level the best `pre_nms_topk` pairs whose class probability passes, by that probability;
    then scores are class x centerness, boxes are clipped, empty ones dropped, and the first K that survive are kept.

    best_of_all: how many candidates of all levels compete in the deployed graph; None: all, as published.
    """
    levels = []
    for level in range(len(rules.strides)):
        everything = _every_pair(raw, rules, level)
        probability = _sigmoid(_cells(raw.logits[level])).ravel()
        order = np.argsort(-probability, kind="stable")
        order = order[probability[order] > rules.score_threshold][: rules.pre_nms_topk]
        levels.append(everything[order])
    found = _clipped(_concatenate(levels), rules.input_size)
    found = found[np.argsort(-found.scores, kind="stable")[:best_of_all]]
    found = found[(found.boxes[:, 2] - found.boxes[:, 0] > 0) & (found.boxes[:, 3] - found.boxes[:, 1] > 0)]
    found = found[greedy_nms(found.boxes, found.labels, rules.nms_threshold, rules.nms_dtype)]
    return found[: rules.max_detections]


def decode_mmdet_pr(raw: Raw, rules: Rules, best_of_all: int | None = None) -> Detections:
    """mmdetection's pull request 5248: of each level the `pre_nms_topk` locations whose best class x centerness is
    highest; of these every pair whose class probability passes; boxes clipped, the first K that survive kept.

    best_of_all: as in `decode_mmdet3`.
    """
    levels = []
    for level in range(len(rules.strides)):
        probability = _sigmoid(_cells(raw.logits[level]))
        locations, classes = probability.shape
        chosen = np.arange(locations)
        if locations > rules.pre_nms_topk:
            best = (probability * _sigmoid(_cells(raw.centerness[level]))).max(axis=1)
            chosen = np.argsort(-best, kind="stable")[: rules.pre_nms_topk]
        rows = [c * classes + k for c in chosen for k in range(classes) if probability[c, k] > rules.score_threshold]
        levels.append(_every_pair(raw, rules, level)[np.array(rows, dtype=np.int64)])
    found = _clipped(_concatenate(levels), rules.input_size)
    found = found[np.argsort(-found.scores, kind="stable")[:best_of_all]]
    found = found[greedy_nms(found.boxes, found.labels, rules.nms_threshold, rules.nms_dtype)]
    return found[: rules.max_detections]


def decode_deployed(rule: str, raw: Raw, rules: Rules) -> Detections:
    """The deployed graph's decode by a named rule: as published, but only `pre_nms_topk` of all candidates compete."""
    if rule == "adelaidet":
        return decode_design(raw, rules)
    return {"mmdet3": decode_mmdet3, "mmdet-pr": decode_mmdet_pr}[rule](raw, rules, rules.pre_nms_topk)


def greedy_nms(boxes: Array, labels: Ints, threshold: float, dtype: Any = np.float64) -> Ints:
    """Indices that survive, in order. boxes (n, 4) xyxy are sorted best first; only boxes of one label compete."""
    boxes = np.asarray(boxes, dtype=dtype)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    for index, box in enumerate(boxes):
        rivals = [other for other in kept if labels[other] == labels[index]]
        width = np.minimum(boxes[rivals, 2], box[2]) - np.maximum(boxes[rivals, 0], box[0])
        height = np.minimum(boxes[rivals, 3], box[3]) - np.maximum(boxes[rivals, 1], box[1])
        intersection = np.maximum(width, 0) * np.maximum(height, 0)
        union = areas[rivals] + areas[index] - intersection
        iou = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
        if not np.any(iou > dtype(threshold)):
            kept.append(index)
    return np.array(kept, dtype=np.int64)


def _candidates(raw: Raw, rules: Rules, level: int) -> Detections:
    """All (location, class) pairs of one level whose class x centerness passes, in the order of location, then class.

    Their `scores` are still class x centerness, without the root.
    """
    found = _every_pair(raw, rules, level)
    return found[found.scores > rules.score_threshold]


def _clipped(found: Detections, size: tuple[int, int]) -> Detections:
    limits = np.array([size[1], size[0], size[1], size[0]], dtype=np.float64)
    values = {name: getattr(found, name) for name in Detections.__dataclass_fields__}
    return Detections(**{**values, "boxes": np.minimum(np.maximum(found.boxes, 0), limits)})


def _every_pair(raw: Raw, rules: Rules, level: int) -> Detections:
    """All (location, class) pairs of one level, in the order of location, then class; `scores`: class x centerness."""
    stride = rules.strides[level]
    height, width = raw.logits[level].shape[1:]
    probability = _sigmoid(_cells(raw.logits[level]))
    quality = probability * _sigmoid(_cells(raw.centerness[level]))
    cell, label = (index.ravel() for index in np.indices(quality.shape))
    y, x = np.divmod(np.arange(height * width), width)
    points = np.stack([x * stride + stride // 2, y * stride + stride // 2], axis=1).astype(np.float64)
    left, top, right, bottom = (_cells(raw.ltrb[level]) * stride).T
    boxes = np.stack([points[:, 0] - left, points[:, 1] - top, points[:, 0] + right, points[:, 1] + bottom], axis=1)
    embeddings = _cells(raw.embeddings[level]) if raw.embeddings else np.zeros((height * width, 0))
    return Detections(
        boxes=boxes[cell],
        scores=quality[cell, label],
        labels=label,
        params=_cells(raw.params[level])[cell],
        locations=points[cell],
        sizes=np.full(len(cell), float(rules.sizes_of_interest[level])),
        embeddings=embeddings[cell],
    )


def _cells(values: Array) -> Array:
    """(C, h, w) -> (h*w, C) in float64."""
    return values.reshape(values.shape[0], -1).T.astype(np.float64)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _concatenate(parts: list[Detections]) -> Detections:
    return Detections(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Detections.__dataclass_fields__)
    )


def _with_root(found: Detections) -> Detections:
    values = {name: getattr(found, name) for name in Detections.__dataclass_fields__}
    return Detections(**{**values, "scores": np.sqrt(found.scores)})


def aligned_bilinear(x: Array, factor: int) -> Array:
    """(n, h, w) -> (n, h*factor, w*factor) by definition: pad, interpolate with aligned corners, pad, crop."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1)), mode="edge")
    large = _interpolate(padded, _aligned(height + 1, factor * height + 1), _aligned(width + 1, factor * width + 1))
    shift = factor // 2
    large = np.pad(large, ((0, 0), (shift, 0), (shift, 0)), mode="edge")
    return large[:, : factor * height, : factor * width]


def merge_refined(p3: Array, p4: Array, p5: Array) -> Array:
    """Sum of the mask branch's refined levels (C, h, w), (C, h/2, w/2), (C, h/4, w/4) at the size of the first."""
    return p3 + aligned_bilinear(p4, 2) + aligned_bilinear(p5, 4)


def mask_head(
    mask_feats: Array,
    params: Array,
    locations: Array,
    sizes: Array,
    *,
    stride: int = 8,
    upsample: int = 2,
    layers: int = 3,
) -> Array:
    """Probabilities (n, h*upsample, w*upsample) of n instances.

    mask_feats (C, h, w), params (n, P), locations (n, 2), sizes (n,). P: the weights of all layers, (out, in) each,
    then their biases; the published network has C = 8 and three layers, so P = 80 + 64 + 8 + 8 + 8 + 1.
    """
    channels, height, width = mask_feats.shape
    mask_feats, params = mask_feats.astype(np.float64), params.astype(np.float64)
    inputs = [channels + 2] + [channels] * (layers - 1)
    outputs = [channels] * (layers - 1) + [1]
    ends = np.cumsum([i * o for i, o in zip(inputs, outputs, strict=True)] + outputs)
    logits = np.zeros((len(params), height, width))
    for instance, theta in enumerate(params):
        parts = np.split(theta, ends[:-1])
        weights = [part.reshape(o, i) for part, i, o in zip(parts[:layers], inputs, outputs, strict=True)]
        for v in range(height):
            pixel_y = v * stride + stride // 2
            pixel_x = np.arange(width) * stride + stride // 2
            relative_x = (locations[instance, 0] - pixel_x) / sizes[instance]
            relative_y = np.full(width, (locations[instance, 1] - pixel_y) / sizes[instance])
            z = np.concatenate([relative_x[None], relative_y[None], mask_feats[:, v]])
            for weight, bias in zip(weights[:-1], parts[layers:-1], strict=True):
                z = np.maximum(weight @ z + bias[:, None], 0)
            logits[instance, v] = (weights[-1] @ z + parts[-1][:, None])[0]
    return _sigmoid(aligned_bilinear(logits, upsample))


def network_size(frame: tuple[int, int], shortest: int, longest: int) -> tuple[int, int]:
    """(H, W) of a frame (H0, W0) whose shorter side becomes `shortest`, or its longer one `longest` where that is less;
    halves round up, in rational numbers.
    """
    scale = min(Fraction(shortest, min(frame)), Fraction(longest, max(frame)))
    height, width = (max(1, int(side * scale + Fraction(1, 2))) for side in frame)
    return height, width


def network_input(frame: NDArray[np.uint8], size: tuple[int, int], resize: str, config: Any) -> Array:
    """What the network of the original gets of a frame uint8 (H0, W0, 3) BGR: (3, Hp, Wp).

    Resized to `size` (H, W) by Pillow ("pil-bilinear", as detectron2 does) or OpenCV ("linear", as mmcv does), then
    normalised, and only then padded with zeros at the right and the bottom to multiples of 32.
    """
    height, width = size
    if resize == "pil-bilinear":  # channel by channel, as grey pictures
        planes = [np.ascontiguousarray(frame[..., channel]) for channel in range(3)]
        scaled = [Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR) for plane in planes]
        resized = np.stack([np.asarray(plane) for plane in scaled])
    else:
        resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    colours = resized.astype(np.float64)[:: 1 if config.channel_order == "bgr" else -1]
    padded = np.zeros((3, -(-height // 32) * 32, -(-width // 32) * 32))
    for channel in range(3):
        plane = (colours[channel] - config.pixel_mean[channel]) / config.pixel_std[channel]
        padded[channel, :height, :width] = plane
    return padded


def boxes_to_frame(boxes: Array, resized: tuple[int, int], frame: tuple[int, int]) -> tuple[Array, NDArray[np.bool_]]:
    """Boxes of the resized picture (h_in, w_in) in pixels of the frame (H0, W0), clipped; and which are not empty."""
    scale_y, scale_x = frame[0] / resized[0], frame[1] / resized[1]
    scaled = boxes.astype(np.float64) * np.array([scale_x, scale_y, scale_x, scale_y])
    scaled[:, 0::2] = np.clip(scaled[:, 0::2], 0, frame[1])
    scaled[:, 1::2] = np.clip(scaled[:, 1::2], 0, frame[0])
    return scaled, (scaled[:, 2] > scaled[:, 0]) & (scaled[:, 3] > scaled[:, 1])


def paste(prob: Array, padded: tuple[int, int], resized: tuple[int, int], frame: tuple[int, int]) -> Array:
    """Mask probabilities (n, Hm, Wm) of the padded input -> (n, H0, W0) of the frame, before the test > 0.5."""
    large = aligned_bilinear(prob.astype(np.float64), padded[0] // prob.shape[1])[:, : resized[0], : resized[1]]
    return _interpolate(large, _half_pixel(resized[0], frame[0]), _half_pixel(resized[1], frame[1]))


def _aligned(size: int, out: int) -> Array:
    """Source coordinates of `out` samples of an axis of `size` whose corners are aligned."""
    return np.arange(out) * (size - 1) / (out - 1)


def _half_pixel(size: int, out: int) -> Array:
    """Source coordinates with pixel centres at .5, not below 0 (align_corners=False)."""
    return np.maximum((np.arange(out) + 0.5) * size / out - 0.5, 0)


def _interpolate(x: Array, ys: Array, xs: Array) -> Array:
    """(n, h, w) at the grid of source coordinates ys and xs, bilinear; the last sample repeats beyond the end."""
    for axis, coordinates in ((1, ys), (2, xs)):
        low = np.minimum(np.floor(coordinates).astype(np.int64), x.shape[axis] - 1)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        weight = (coordinates - low).reshape([-1 if other == axis else 1 for other in range(3)])
        x = np.take(x, low, axis=axis) * (1 - weight) + np.take(x, high, axis=axis) * weight
    return x
