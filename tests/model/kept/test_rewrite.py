"""The network as it is deployed against the dense one, in float64, for every form that a head can have."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from stc.benchmarks.agreement.divergence import STAGE, comparable
from stc.model.config import STC_LITE, ModelConfig
from stc.model.decode import Decoded, RawOutputs, decode
from stc.model.decode_rules import with_decode_rule
from stc.model.fold import fold_batch_norms
from stc.model.head import Head
from stc.model.kept.rewrite import KeptHead, KeptSTC
from stc.model.network import STC, STCDeploy
from tests.model.test_fold import randomise_norms

SMALL = STC_LITE.with_(
    fpn_channels=32, mask_branch_channels=8, track_dim=8, input_size=(64, 96), max_detections=20, score_threshold=0.0
)
FORMS: dict[str, ModelConfig] = {
    "stc-lite": SMALL,
    "no tracking head": SMALL.with_(track_dim=0),
    "group norm": SMALL.with_(head_norm="group", track_norm=True),
    "deep": SMALL.with_(track_convs=4, track_norm=True, max_detections=8),
    "no tower": SMALL.with_(track_convs=0, box_convs=0),
    "other kernels": SMALL.with_(head_kernel=1, track_kernel=3),
    "mmdet3": with_decode_rule(SMALL, "mmdet3").with_(max_detections=20, score_threshold=0.0),
    "mmdet-pr": with_decode_rule(SMALL, "mmdet-pr").with_(max_detections=20, score_threshold=0.0, pre_nms_topk=60),
    "any size": SMALL.with_(shortest_edge=(64, 96)),
}


def head_of(config: ModelConfig) -> Head:
    """In float64, with norms of every kind and weights that keep activations of order one."""
    torch.manual_seed(0)
    head = Head(config).eval()
    randomise_norms(head)
    with torch.no_grad():
        for parameter in head.parameters():
            if parameter.ndim == 4:  # of standard deviation 0.01
                parameter.mul_(100 / (parameter.shape[1] * parameter.shape[2] ** 2) ** 0.5)
        head.scales.uniform_(0.5, 2)
    return head.double()


def pyramid_of(config: ModelConfig, batch: int) -> list[torch.Tensor]:
    shapes = ((8, 12), (4, 6), (2, 3), (1, 2), (1, 1))
    return [torch.randn(batch, config.fpn_channels, *shape, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize("name", FORMS)
def test_the_answer_is_that_of_the_dense_head(name: str) -> None:
    """Two pictures at once. Float64 sums of a few hundred terms in another order."""
    config = FORMS[name]
    head, pyramid = head_of(config), pyramid_of(config, 2)
    feats = torch.zeros(2, 8, 8, 12, dtype=torch.float64)
    with torch.inference_mode():
        expected = decode(RawOutputs(**head(pyramid), mask_feats=feats), config, size=(64, 96))
        kept = KeptHead(head, config)
        found = decode(kept(pyramid, feats), config, size=(64, 96))
        again = decode(RawOutputs(**head(pyramid), mask_feats=feats), config, size=(64, 96))
    assert expected.count.min() >= min(15, config.max_detections)
    assert expected.params.std() > 0.1
    for one in (found, again):  # making it changes nothing in the dense one
        for field in fields(Decoded):
            values = [getattr(decoded, field.name) for decoded in (one, expected)]
            torch.testing.assert_close(*values, rtol=1e-9, atol=1e-9, msg=field.name)


@pytest.fixture(scope="module")
def model() -> STC:
    found = STC(SMALL).eval()
    found.head = head_of(SMALL)
    return found.double()


def run(deployed: STC | KeptSTC, frames: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    with torch.inference_mode():
        return STCDeploy(deployed).trace(frames)


def test_folding_what_stays_changes_nothing() -> None:
    """Folded weights are stored in float32: the sums of a few layers are off by some 1e-6 of their size."""
    config = FORMS["deep"]
    head, pyramid = head_of(config), pyramid_of(config, 1)
    cells = torch.arange(100)[None]
    kept = KeptHead(head, config)
    assert 0 < len(kept.track_tower.convs) < 4  # some layers stay, and have norms
    with torch.inference_mode():
        _, expected = RawOutputs(**head(pyramid), mask_feats=pyramid[0]).at(cells)
        fold_batch_norms(kept)
        _, found = kept.float()([level.float() for level in pyramid], pyramid[0]).at(cells)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in kept.modules())
    assert expected is not None
    assert found is not None
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def test_nothing_found_is_nothing_even_of_an_infinite_controller(model: STC) -> None:
    kept = KeptSTC(model)
    kept.config = SMALL.with_(score_threshold=1.0)
    kept.head.controller.layers[0].bias.fill_(torch.inf)  # type: ignore[operator, union-attr]
    _, found = run(kept, torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    assert found["num_detections"].tolist() == [0, 0]
    for name in ("boxes", "scores", "masks", "embeddings"):
        assert not found[name].any(), name


def test_rows_are_compared_at_the_cells_that_they_came_from(model: STC) -> None:
    """An error of one row is seen in its size, whatever the order of the rows; rows beyond the count are no rows."""
    frames = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    (dense, _), (stages, outputs) = run(model, frames), run(KeptSTC(model), frames)
    expected = {name: value.numpy() for name, value in dense.items()}
    found = {name: value.numpy().copy() for name, value in outputs.items()}
    found |= {STAGE + name: value.numpy().copy() for name, value in stages.items()}
    errors = {name: float(np.abs(a - b).max()) for name, a, b in comparable(expected, found)}
    assert {"p3", "logits_p7", "ltrb_p3", "params", "embeddings"} <= errors.keys()
    assert max(errors.values()) < 1e-8
    found["num_detections"][:] = 10
    found["stage/params"][0, 10:] = 7
    found["embeddings"][0, 9, 0] += 0.25
    errors = {name: float(np.abs(a - b).max()) for name, a, b in comparable(expected, found)}
    assert errors["params"] < 1e-8
    assert abs(errors["embeddings"] - 0.25) < 1e-8
