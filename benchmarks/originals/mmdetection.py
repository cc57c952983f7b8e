"""mmdetection's CondInst, as its wheel has it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from stc.benchmarks.originals.frames import LONGEST, SHORTEST, Array
from stc.benchmarks.originals.seen import Seen
from stc.benchmarks.originals.weights import Heads, seed

HEADS = Heads(
    classes="bbox_head.conv_cls",
    boxes="bbox_head.conv_reg",
    centerness="bbox_head.conv_centerness",
    controller="bbox_head.controller",
    features="mask_head.mask_feature_head.conv_pred",
)
CONFIG = Path(".mim", "configs", "condinst", "condinst_r50_fpn_ms-poly-90k_coco_instance.py")


class Detector:
    """The original's way of a frame: `inference_detector`, which is given the array."""

    def __init__(self, config: Any, checkpoint: Path | None) -> None:
        self._apis = import_module("mmdet.apis")
        file = None if checkpoint is None else str(checkpoint)
        self.model = self._apis.init_detector(config, file, palette="none", device="cpu")

    def __call__(self, frame: Array) -> Seen:
        found = self._apis.inference_detector(self.model, frame).pred_instances
        return Seen.of(
            boxes=found.bboxes.numpy(), scores=found.scores.numpy(), labels=found.labels.numpy(), masks=found.masks
        )


def make(folder: Path, frame: Array) -> tuple[Path, Detector]:
    """A checkpoint with seeded weights in `folder`, written by mmengine as its training does, and what it predicts."""
    package = Path(*import_module("mmdet").__path__)
    config = import_module("mmengine.config").Config.fromfile(package / CONFIG)
    config.model.backbone.init_cfg = None
    for step in config.test_pipeline:
        if step["type"] == "Resize":
            step["scale"] = (LONGEST, SHORTEST)
    config.test_dataloader.dataset.pipeline = config.test_pipeline
    fresh = Detector(config, None)
    seed(fresh.model, HEADS, lambda: fresh(frame), 0)
    checkpoint = folder / "epoch_12.pth"
    writer = import_module("mmengine.runner.checkpoint")
    meta = {"cfg": config.pretty_text, "dataset_meta": fresh.model.dataset_meta, "epoch": 12}
    optimizer = torch.optim.SGD(fresh.model.parameters(), lr=0.01, momentum=0.9)
    state = {"meta": meta, "state_dict": writer.get_state_dict(fresh.model), "optimizer": optimizer.state_dict()}
    writer.save_checkpoint(state, str(checkpoint))
    return checkpoint, Detector(config, checkpoint)
