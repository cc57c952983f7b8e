"""Every choice of a training run, with its default and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """The recipe. Defaults suit `stc-lite` on a thousand pictures; pixels are of the model's input."""

    seed: int = 0  # a batch is a function of (seed, step): a resumed run continues with the same pictures

    # What a batch holds
    batch_pairs: int = 4  # eight pictures: enough for the batch norms of the heads
    still_share: float = 0.55  # pairs made of one still picture by two geometries
    clip_share: float = 0.20  # pairs of two frames of a clip; few clips, so more would be learnt by heart
    composite_share: float = 0.25  # stills with cut-outs pasted in, each with its own motion: occlusions with known ids
    clip_window: int = 20  # frames between key and reference at most (CrossVIS: 20)
    repeat_limit: float = 3.0  # a still with a rare class is drawn at most so many times as often as a common one
    negative_weight: float = 0.4  # how often a picture without objects is drawn, against one with objects
    max_cutouts: int = 3
    cutout_min_area: float = 0.02  # of its picture: smaller ones have no detail to enlarge
    cache_bytes: int = 4 << 30  # decoded pictures kept in memory

    # Geometry
    plain_share: float = 0.3  # exactly the letterbox of inference (mirrored or not)
    zoom_out: float = 0.7  # smallest scale, relative to the picture fitting the input
    zoom_in: float = 1.6  # largest scale, relative to the picture covering the input
    aspect_jitter: float = 0.12  # logarithm of the largest stretch
    max_rotation: float = 6.0  # degrees
    motion_scale: float = 0.18  # key to reference: logarithm of the largest scale change
    motion_shift: float = 0.10  # key to reference: of the input size
    motion_rotation: float = 8.0  # key to reference: degrees
    min_area: float = 32.0  # visible pixels; with less, two cells of the mask, an object is ignored
    min_visible: float = 0.1  # of the object's own area; a smaller sliver cannot be named and is ignored
    partial_margin: float = 0.2  # background around the object of a partially annotated frame, of the box size

    # Targets (FCOS, arXiv 1904.01355)
    centre_radius: float = 1.5  # strides around the mask centroid that are positive
    range_factor: float = (
        4.0  # level of stride s takes max(l, t, r, b) up to factor * s. FCOS has 8 at 800 pixels; at 256
    )
    # pixels objects are three times smaller and the slim towers see seven cells, so larger objects go to coarser levels

    # Losses
    cls_weight: float = 1.0
    box_weight: float = 1.0
    centerness_weight: float = 1.0
    mask_weight: float = 2.0  # masks are the product, and only this term trains the mask branch
    contrast_weight: float = 0.25  # QDTrack's weights of the two embedding terms
    cosine_weight: float = 1.0
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    max_masks: int = 64  # positives whose mask is computed per batch; more only repeat the same instances
    max_contrast: int = 128  # positives per frame in the contrastive loss
    max_background: int = 64  # background locations per frame among the negatives
    max_foreign: int = 64  # positives of other pairs among the negatives: most pictures hold few instances
    cosine_margin: float = 0.1  # cosine below which a negative is far enough
    negatives_per_positive: int = 3  # hardest ones, in the cosine term

    # Optimiser (AdamW: from ImageNet to a detector in a few thousand steps, where SGD wants tens of thousands)
    lr: float = 1e-3
    backbone_lr: float = 2e-4  # pretrained weights move slower
    weight_decay: float = 0.03  # not on norms and biases
    warmup_steps: int = 100
    final_lr: float = 0.01  # of the peak, at the end of the cosine
    clip_norm: float = 10.0
    ema_decay: float = 0.998  # a window of 500 steps: a run may have no more than two thousand
    save_minutes: float = 3.0
