"""The deployed network in float32 against the float64 statement on top of the same network in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from stc.model.checkpoint import load
from stc.model.config import STC_LITE_2
from stc.model.decode import Decoded, decode
from stc.model.decode_rules import decode_rule
from stc.model.kept.rewrite import KeptSTC
from stc.model.network import STC, STCDeploy
from stc.model.normalise import normalise
from tests.foreign_layouts import CASES
from tests.reference import condinst
from tests.seeded import SLIM, adelaidet_state, crossvis_state, stc_lite_model

SIZE = (120, 184)  # neither side a multiple of 32: the graph pads to 128x192


def from_file(state: dict[str, torch.Tensor], path: Path) -> STC:
    torch.save({"model": state}, path)
    return load(path).model


MODELS: dict[str, Callable[[Path], STC]] = {
    "stc-lite": lambda _: stc_lite_model(0),
    "stc-lite-2": lambda _: stc_lite_model(0, STC_LITE_2),
    "crossvis": lambda path: from_file(crossvis_state(0), path),
    "adelaidet": lambda path: from_file(adelaidet_state(0), path),
    "mmdet3": lambda path: from_file(CASES["mmdet3-reid"].state(0, num_classes=7, widths=SLIM), path),
    "mmdet-pr": lambda path: from_file(CASES["mmdet-pr-reid"].state(0, num_classes=7, widths=SLIM), path),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name.startswith("stc-lite") else pytest.mark.slow) for name in MODELS],
)
def test_float32_is_within_the_budget_of_the_statement(name: str, tmp_path: Path) -> None:
    """By the decode rule of its layout: boxes within 0.05 pixels, scores and masks within 1e-4.

    Detections that rounding decides are left out, at most 1 %: those whose quality lies within 1e-4 of the threshold or
    whose overlap within 1e-4 of NMS's, found by moving both thresholds.
    """
    model = MODELS[name](tmp_path / "model.pth")
    config = model.config.with_(input_size=SIZE, score_threshold=0.02)
    op = config.mask_head
    model.config = config
    frames = torch.from_numpy(pictures())
    with torch.inference_mode():
        outputs = STCDeploy(model)(frames)
        exact = copy.deepcopy(model).double()
        raw = exact(normalise(frames, config).double())
        _, kept = KeptSTC(exact).trace(normalise(frames, config).double())
    assert_the_same(decode(kept, config), decode(raw, config))

    left_out = total = 0
    for image in range(len(frames)):
        one = condinst.one_image(raw, image)
        rule = decode_rule(config)
        expected = condinst.decode_deployed(rule, one, condinst.rules_of(config))
        firm = keys(expected)
        for change in (-1e-4, 1e-4):
            moved = (
                {"score_threshold": config.score_threshold + change},
                {"nms_threshold": config.nms_threshold + change},
            )
            for rules in moved:
                firm &= keys(condinst.decode_deployed(rule, one, condinst.rules_of(config, **rules)))
        masks = condinst.mask_head(
            one.mask_feats,
            expected.params,
            expected.locations,
            expected.sizes,
            stride=op["stride"],
            upsample=op["upsample"],
        )

        count = int(outputs["num_detections"][image])
        found = {key: outputs[key][image, :count].double().numpy() for key in ("boxes", "scores", "masks")}
        if "embeddings" in outputs:
            found["embeddings"] = outputs["embeddings"][image, :count].double().numpy()
        labels = outputs["labels"][image, :count].tolist()
        for index in range(len(expected)):
            total += 1
            if key_of(expected, index) not in firm:
                left_out += 1
                continue
            same = [i for i in range(count) if labels[i] == expected.labels[index]]
            match = min(same, key=lambda i: np.abs(found["boxes"][i] - expected.boxes[index]).max())
            assert np.abs(found["boxes"][match] - expected.boxes[index]).max() <= 0.05
            assert abs(found["scores"][match] - expected.scores[index]) <= 1e-4
            assert np.abs(found["masks"][match] - masks[index]).max() <= 1e-4
            if "embeddings" in found:
                scale = np.abs(expected.embeddings[index]).max()
                assert np.abs(found["embeddings"][match] - expected.embeddings[index]).max() <= 1e-4 * scale
        assert abs(count - len(expected)) <= 1
    assert total >= 20
    assert left_out <= max(1, 0.01 * total)


def assert_the_same(found: Decoded, expected: Decoded) -> None:
    """In float64 the rewrite for deployment and the dense network differ in the order of a few thousand terms."""
    for field in fields(Decoded):
        values = [getattr(one, field.name) for one in (found, expected)]
        torch.testing.assert_close(*values, rtol=1e-9, atol=1e-9, msg=lambda text, name=field.name: f"{name}: {text}")


def pictures() -> np.ndarray:
    """Two pictures, uint8 (2, H, W, 3): soft patches with noise, and noise alone."""
    rng = np.random.default_rng(0)
    patches = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((20, 23, 1)))
    soft = np.clip(patches + rng.normal(0, 20, (*SIZE, 3)), 0, 255)
    return np.stack([soft, rng.integers(0, 256, (*SIZE, 3))]).astype(np.uint8)


def key_of(found: condinst.Detections, index: int) -> tuple[float, ...]:
    return (*found.locations[index], found.sizes[index], found.labels[index])


def keys(found: condinst.Detections) -> set[tuple[float, ...]]:
    return {key_of(found, index) for index in range(len(found))}
