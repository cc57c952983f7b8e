"""R-50 checkpoints in one command, against the published formulas in float64.

Only the convolutions of the reference are PyTorch's (in float64); everything from the heads' outputs on is the
independent NumPy statement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stc.benchmarks.parity import compare
from stc.benchmarks.reference import FrameOutputs, Reference, read, valid_rows
from stc.cli import run
from stc.export.main import main
from stc.model import checkpoint
from stc.model.network import STC
from stc.model.preprocess import normalise
from stc.runtime import Session
from tests.reference.condinst import Raw, Rules, decode_design, mask_head
from tests.seeded import adelaidet_state, crossvis_state

pytestmark = pytest.mark.slow


def statement(model: STC, frames: np.ndarray[Any, Any]) -> Reference:
    """The outputs of `frames` by the formulas."""
    model = model.double()
    outputs = []
    for frame in frames:
        with torch.inference_mode():
            raw = model(normalise(torch.from_numpy(frame)[None], model.config).double())
        lists = {
            name: [value[0].numpy() for value in getattr(raw, name)]
            for name in ("logits", "centerness", "ltrb", "params", "embeddings")
        }
        stated = Raw(**lists, mask_feats=raw.mask_feats[0].numpy())
        found = decode_design(stated, Rules())
        masks = mask_head(stated.mask_feats, found.params, found.locations, found.sizes)
        outputs.append(FrameOutputs(found.boxes, found.scores, found.labels, found.embeddings, masks))
    return Reference(frames, tuple(outputs))


@pytest.mark.parametrize(
    ("layout", "state", "flags", "count"),
    [
        # Ids without a tracking head come from the overlap of a hundred random boxes. A rounded tie or two in the first
        # frames is more than one percent of those, so this model is held to the budget over the whole reference.
        ("adelaidet", adelaidet_state, ["--fp16"], 12),
        ("crossvis", crossvis_state, ["--fp16", "--classes", "ytvis2019"], 2),
    ],
)
def test_one_command_exports_a_checkpoint_that_agrees_with_the_formulas(
    layout: str, state: Any, flags: list[str], count: int, tmp_path: Path
) -> None:
    torch.save({"model": state(0), "iteration": 90000}, tmp_path / "model.pth")
    bundle = tmp_path / "bundle"
    assert run(main, ["--ckpt", str(tmp_path / "model.pth"), "-o", str(bundle), *flags]) == 0

    loaded = checkpoint.load(tmp_path / "model.pth")
    assert loaded.layout == layout
    frames = read(bundle / "reference.npz").frames[:count]
    expected = statement(loaded.model, frames)
    for name, precision in (("model.onnx", "fp32"), ("model-fp16.onnx", "fp16")):
        session = Session(bundle / name)
        outputs = [valid_rows(session.infer(frame[None])) for frame in frames]
        agreement = compare(expected, outputs, session.passport, precision)
        assert agreement.verdict == "pass", agreement
