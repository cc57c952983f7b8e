"""What a model finds in annotated pictures, and whether it is right: what a calibration is fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stc.benchmarks.evaluation.average_precision import match
from stc.model.decode import decode
from stc.model.network import STC
from stc.model.normalise import normalise
from stc.progress import bar
from stc.runtime.masks.axis import MASK_THRESHOLD
from stc.training.calibrate.fit import Sample
from stc.training.config import RECIPES
from stc.training.data.annotations import Dataset, Frame
from stc.training.data.geometry import letterbox
from stc.training.data.views import PictureCache, View, drop_slivers, render
from stc.training.losses.masks import predict_masks

THRESHOLD = 0.005  # on class x centerness: what a calibration may lift above the model's own threshold is among them
HIDDEN = 0.5  # of a detection in unknown area: whether it is right is unknown then


def detect(model: STC, dataset: Dataset) -> Sample:
    """What `model` finds in the frames of `dataset`, each fitted into the input as at inference.

    A detection is right when its mask has an IoU of 0.5 with an object of its class that no better one has. Those in a
    crowd, or on an object too small to name, are left out.
    """
    rows = []
    frames = [frame for clip in dataset.clips for frame in clip.frames]
    with bar("detecting", len(frames)) as advance:
        for number, view in enumerate(views(model, frames)):
            judged = judge(model, view)
            rows.append((*judged, np.full(len(judged[0]), number)))
            advance()
    logits, centerness, right, pictures = (torch.from_numpy(np.concatenate(part)) for part in zip(*rows, strict=True))
    return Sample(logits, centerness, right, pictures)


def views(model: STC, frames: Sequence[Frame]) -> Iterator[View]:
    size = model.config.input_size
    pictures = PictureCache(2 * max(size), 0)
    for frame in frames:
        view = render(frame, letterbox(frame.size, size), model.config, False, pictures, 0.0)
        yield drop_slivers(view, RECIPES["stc-lite"])


def judge(model: STC, view: View) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Class and centerness logits of the detections, and whether each is right."""
    logits, centerness, scores, labels, masks = find(model, view)
    height, width = view.unknown.shape
    stride = model.config.mask_out_stride
    cells = slice(stride // 2, None, stride)
    masks = masks[:, : len(range(height)[cells]), : len(range(width)[cells])]
    ours = masks.reshape(len(masks), masks.shape[1] * masks.shape[2]).astype(np.float64)
    truth = view.masks[:, cells, cells].reshape(len(view.masks), ours.shape[1]).astype(np.float64)
    shared, areas, object_areas = truth @ ours.T, ours.sum(1), truth.sum(1)
    iou = shared / np.maximum(object_areas[:, None] + areas - shared, 1)
    iou[view.labels[:, None] != labels] = 0
    right = match(iou, scores, areas, object_areas, np.zeros(len(truth), bool)).matched[0, 0]
    unknown = ours @ view.unknown[cells, cells].reshape(-1)
    known = right | (unknown <= HIDDEN * areas)
    return logits[known], centerness[known], right[known]


def find(model: STC, view: View) -> tuple[NDArray[Any], ...]:
    """n detections by falling score: class and centerness logits, scores and labels (n,), masks bool (n, h, w)."""
    config = model.config.with_(score_threshold=THRESHOLD)
    with torch.inference_mode():
        raw = model(normalise(torch.from_numpy(view.picture)[None], config))
        # The decode hands out the parameters of every detection: the logits travel with them.
        carried = [torch.cat(parts, 1) for parts in zip(raw.params, raw.centerness, raw.logits, strict=True)]
        found = decode(replace(raw, params=carried), config)
        count = int(found.count[0])
        sizes = [config.num_mask_params, 1, config.num_classes]
        params, centerness, logits = torch.split(found.params[0, :count], sizes, dim=1)
        labels = found.labels[0, :count].long()
        points = found.locations[0, :count], found.sizes[0, :count]
        masks = predict_masks(raw.mask_feats[0], params, *points, config) > MASK_THRESHOLD
    own = logits.gather(1, labels[:, None])[:, 0]
    return tuple(
        value.numpy()
        for value in (own.double(), centerness[:, 0].double(), found.scores[0, :count].double(), labels, masks)
    )
