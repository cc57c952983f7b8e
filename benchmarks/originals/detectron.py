"""AdelaiDet's CondInst and CrossVIS, each out of its own checkout, on detectron2."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stc.benchmarks.originals.frames import LONGEST, SHORTEST, Array
from stc.benchmarks.originals.seen import Seen
from stc.benchmarks.originals.weights import Heads, seed

HEADS = Heads(
    classes="proposal_generator.fcos_head.cls_logits",
    boxes="proposal_generator.fcos_head.bbox_pred",
    centerness="proposal_generator.fcos_head.ctrness",
    controller="controller",
    features="mask_branch.tower.4",
)
# What a run on a CPU has to say beyond the published configuration.
OPTIONS = ["MODEL.DEVICE", "cpu", "INPUT.MIN_SIZE_TEST", str(SHORTEST), "INPUT.MAX_SIZE_TEST", str(LONGEST)]
CONFIG = "config.yaml"  # detectron2's name for it in every output folder


class Predictor:
    """The original's way of a frame, from raw pixels to pixels of masks: detectron2's `DefaultPredictor`."""

    def __init__(self, config: Any) -> None:
        self._predict = import_module("detectron2.engine").DefaultPredictor(config)

    def __call__(self, frame: Array) -> Seen:
        found = self._predict(frame)["instances"]
        return Seen.of(
            boxes=found.pred_boxes.tensor.numpy(),
            scores=found.scores.numpy(),
            labels=found.pred_classes.numpy(),
            masks=found.pred_masks.numpy() if len(found) else np.zeros((0, *frame.shape[:2])),
            embeddings=found.reid_feat.numpy() if found.has("reid_feat") else None,
        )


def make(
    checkout: Path, detectron2: Path, config_file: str, options: Sequence[str], folder: Path, frame: Array
) -> tuple[Path, Predictor]:
    """A checkpoint with seeded weights in `folder`, written by the original's own code, and what it predicts.

    options: names and values, as detectron2's command line takes them.
    """
    sys.path[:0] = [str(checkout), str(detectron2)]
    config = import_module("adet.config").get_cfg()
    config.merge_from_file(str(checkout / "configs" / config_file))
    config.merge_from_list([*OPTIONS, *options, "OUTPUT_DIR", str(folder)])
    model = import_module("detectron2.modeling").build_model(config).eval()
    transforms = import_module("detectron2.data.transforms")
    resized = transforms.ResizeShortestEdge([SHORTEST] * 2, LONGEST).get_transform(frame).apply_image(frame)
    image = torch.from_numpy(resized.astype("float32").transpose(2, 0, 1))
    seed(model, HEADS, lambda: model([{"image": image, "height": frame.shape[0], "width": frame.shape[1]}]), 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    writer = import_module("adet.checkpoint").AdetCheckpointer(model, str(folder), optimizer=optimizer)
    writer.save("model_final", iteration=0)
    checkpoint = folder / "model_final.pth"
    config.MODEL.WEIGHTS = str(checkpoint)
    (folder / CONFIG).write_text(config.dump(), encoding="utf-8")
    return checkpoint, Predictor(config)
