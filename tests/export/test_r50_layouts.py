"""R-50 checkpoints of every code base in one command, against their own published formulas in float64.

Only the convolutions of the reference are PyTorch's (in float64); everything from the heads' outputs on is the
independent NumPy statement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stc.benchmarks.agreement.parity import compare
from stc.benchmarks.reference import FrameOutputs, Reference, read, valid_rows
from stc.cli import run
from stc.export.main import main
from stc.model import checkpoint
from stc.model.config import ModelConfig
from stc.model.decode_rules import decode_rule
from stc.model.network import STC
from stc.model.normalise import normalise
from stc.runtime import Session
from stc.runtime.bundle import passport
from tests.foreign_layouts import CASES
from tests.reference.condinst import Raw, decode_deployed, mask_head, rules_of
from tests.seeded import SLIM, adelaidet_state, crossvis_state

pytestmark = pytest.mark.slow


def statement(model: STC, frames: np.ndarray[Any, Any]) -> Reference:
    """The outputs of `frames` by the formulas."""
    model = model.double()
    config = model.config
    outputs = []
    for frame in frames:
        with torch.inference_mode():
            raw = model(normalise(torch.from_numpy(frame)[None], config).double())
        lists = {
            name: [value[0].numpy() for value in getattr(raw, name)]
            for name in ("logits", "centerness", "ltrb", "params", "embeddings")
        }
        stated = Raw(**lists, mask_feats=raw.mask_feats[0].numpy())
        found = decode_deployed(decode_rule(config), stated, rules_of(config))
        upsample = 8 // config.mask_out_stride
        masks = mask_head(stated.mask_feats, found.params, found.locations, found.sizes, upsample=upsample)
        outputs.append(FrameOutputs(found.boxes, found.scores, found.labels, found.embeddings, masks))
    return Reference(frames, tuple(outputs))


@pytest.mark.parametrize(
    ("layout", "state", "flags", "count"),
    [
        # Ids without a tracking head come from the overlap of a hundred random boxes. A rounded tie or two in the first
        # frames is more than one percent of those, so this model is held to the budget over the whole reference. It is
        # exported at one size, the other one for frames of any shape.
        ("adelaidet", adelaidet_state, ["--fp16", "--size", "360x640"], 12),
        # Its engine is built in engine/test_build.py.
        ("crossvis", crossvis_state, ["--fp16", "--classes", "ytvis2019", "--trt", "none"], 2),
    ],
)
def test_one_command_exports_a_checkpoint_that_agrees_with_the_formulas(
    layout: str, state: Any, flags: list[str], count: int, tmp_path: Path
) -> None:
    torch.save({"model": state(0), "iteration": 90000}, tmp_path / "model.pth")
    assert agrees(tmp_path, flags, count) == layout


# likelier: so much that a picture of this size has some fifty detections, a hundred in the first case
@pytest.mark.parametrize(("name", "likelier"), [("fcos-track", 2.2), ("mmdet3-reid", 1.5), ("mmdet-pr-reid", 1.5)])
def test_other_code_bases_agree_with_their_own_formulas(name: str, likelier: float, tmp_path: Path) -> None:
    """Slim and small, so that it takes little time: the arithmetic of the full size is that of the tests above."""
    state = CASES[name].state(0, num_classes=7, widths=SLIM)
    bias = next(key for key in state if key.endswith(("conv_cls.bias", "fcos_cls.bias", "cls_logits.bias")))
    state[bias] = state[bias] + likelier
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "model.pth")
    engine = "none" if name == "fcos-track" else "auto"  # its graph is that of the tests above
    assert agrees(tmp_path, ["--fp16", "--size", "128x224", "--trt", engine], count=12) == CASES[name].layout
    said = passport.read(tmp_path / "bundle")
    assert said.checkpoint["decode_rule"] == CASES[name].decode_rule
    assert said.mask_stride == (8 if name.startswith("mmdet-pr") else 4)


def agrees(tmp_path: Path, flags: list[str], count: int) -> str:
    """Export `model.pth`, compare the first `count` reference frames with the formulas; the layout that was found."""
    bundle = tmp_path / "bundle"
    assert run(main, ["--ckpt", str(tmp_path / "model.pth"), "-o", str(bundle), *flags]) == 0

    loaded = checkpoint.load(tmp_path / "model.pth")
    loaded.model.config = ModelConfig.from_dict(passport.read(bundle).model)  # with the size that was asked for
    frames = read(bundle / "reference.npz").frames[:count]
    expected = statement(loaded.model, frames)
    for name, precision in (("model.onnx", "fp32"), ("model-fp16.onnx", "fp16")):
        session = Session(bundle / name)
        outputs = [valid_rows(session.infer(frame[None])) for frame in frames]
        agreement = compare(expected, outputs, session.passport, precision)
        assert agreement.verdict == "pass", agreement
    return loaded.layout
