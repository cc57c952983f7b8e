"""A tower on patches: compared with the same tower on the whole maps."""

from __future__ import annotations

import pytest
import torch

from stc.model.config import STC_LITE, STC_LITE_2, ModelConfig
from stc.model.decode import join_levels
from stc.model.head import Head
from stc.training.ablation.patches import cut, embed, joined, patch_side


def head_of(config: ModelConfig) -> Head:
    """Weights and statistics of a size that makes every layer count."""
    torch.manual_seed(0)
    head = Head(config).eval()
    for name, value in head.named_parameters():
        if name.startswith("track_"):
            torch.nn.init.normal_(value, std=0.2)
    for name, value in head.named_buffers():
        if name.endswith("running_mean"):
            torch.nn.init.normal_(value)
    return head


@pytest.mark.parametrize(
    "config",
    [STC_LITE, STC_LITE_2, STC_LITE.with_(track_convs=1, track_kernel=3, track_norm=True)],
    ids=["lite", "lite-2", "wide prediction"],
)
@torch.inference_mode()
def test_a_patch_gives_the_embedding_of_the_whole_map(config: ModelConfig) -> None:
    """At every location of maps as small as one cell, so edges and corners of all levels are among them."""
    head = head_of(config)
    shapes = [(9, 11), (5, 6), (3, 3), (2, 2), (1, 1)][: len(config.strides)]
    pyramids = [[torch.randn(1, 64, *shape) for shape in shapes] for _ in range(2)]
    whole = [join_levels(head(pyramid)["embeddings"])[0] for pyramid in pyramids]
    at = torch.randperm(len(whole[0]))
    ours = embed(head, joined([cut(pyramid, at, patch_side(config)) for pyramid in pyramids]))
    # Both sum up to 576 float32 products a layer, in another order.
    torch.testing.assert_close(ours, torch.cat([one[at] for one in whole]), rtol=1e-4, atol=1e-4)


def test_norms_learn_their_statistics_from_the_patches() -> None:
    head = head_of(STC_LITE).train()
    before = head.track_tower.norms[0][0].running_mean.clone()
    patches = cut([torch.randn(1, 64, 9, 11)], torch.arange(20), patch_side(STC_LITE))
    embed(head, patches).sum().backward()
    assert not torch.equal(before, head.track_tower.norms[0][0].running_mean)
    assert head.track_tower.convs[0].weight.grad.abs().sum() > 0
    one = cut([torch.randn(1, 64, 9, 11)], torch.tensor([3]), patch_side(STC_LITE))
    assert embed(head, one).isfinite().all()  # which has no variance in the last layer
