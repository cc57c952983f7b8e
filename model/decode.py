"""From dense predictions to a fixed number of detections: the one decode of the reference and of the exported graph.

Candidates are (location, class) pairs above a threshold, suppressed per class, the best K kept; how exactly is the
config's (`decode_rules.py` names the published rules). Two steps have a fixed-shape form: only the best `pre_nms_topk`
candidates of all levels together compete, and exactly K survive. Where K survive among them, the result is the
published one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from stc.model.config import ModelConfig
from stc.model.layers import level_locations, widen
from stc.model.nms import cluster_nms

TopK = Callable[[Tensor, int], tuple[Tensor, Tensor]]
FrameSize = tuple[int, int] | Tensor  # (H, W); int64 (2,) in a graph that takes any size


class HeadOutputs(Protocol):
    """What a network predicts of every cell, as in `RawOutputs`, and what it can say of cells that are asked for."""

    @property
    def logits(self) -> list[Tensor]: ...

    @property
    def centerness(self) -> list[Tensor]: ...

    @property
    def ltrb(self) -> list[Tensor]: ...

    @property
    def mask_feats(self) -> Tensor: ...

    def at(self, cell: Tensor) -> tuple[Tensor, Tensor | None]:
        """Params (B, K, P) and embeddings (B, K, D), None without tracking head, of cells (B, K) int64 in the order of
        `join_levels`.
        """
        ...

    def stages(self, found: Decoded) -> dict[str, Tensor]:
        """The intermediate tensors by name, for comparison."""
        ...


@dataclass(frozen=True)
class RawOutputs:
    """Dense predictions; every list runs over the FPN levels P3 to P7 (strides 8 to 128).

    logits: (B, C, h, w) class logits. centerness: (B, 1, h, w) logits. ltrb: (B, 4, h, w) distances to the box sides
    in units of the level's stride, >= 0. params: (B, P, h, w) weights then biases of the dynamic mask layers.
    embeddings: (B, D, h, w), an empty list for a model without tracking head. mask_feats: (B, 8, H/8, W/8).
    """

    logits: list[Tensor]
    centerness: list[Tensor]
    ltrb: list[Tensor]
    params: list[Tensor]
    embeddings: list[Tensor]
    mask_feats: Tensor

    def at(self, cell: Tensor) -> tuple[Tensor, Tensor | None]:
        embeddings = rows_at(join_levels(self.embeddings), cell) if self.embeddings else None
        return rows_at(join_levels(self.params), cell), embeddings

    def stages(self, found: Decoded) -> dict[str, Tensor]:
        return by_level(self, ("logits", "centerness", "ltrb", "params", "embeddings"))


@dataclass(frozen=True)
class Decoded:
    """Detections of fixed capacity K, sorted by score; rows at and beyond `count` are 0 (labels -1; cells: any).

    boxes: (B, K, 4) xyxy in input pixels, clipped to the input where the decode rule says so. scores: (B, K), class x
    centerness or its square root. labels: (B, K)
    int32. count: (B,) int32. params: (B, K, P). locations: (B, K, 2) xy in input pixels. sizes: (B, K) size of
    interest of the level. embeddings: (B, K, D), None for a model without tracking head. cells: (B, K) int64, which
    cell fired, in the order of `join_levels`.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    count: Tensor
    params: Tensor
    locations: Tensor
    sizes: Tensor
    embeddings: Tensor | None
    cells: Tensor


def join_levels(levels: list[Tensor]) -> Tensor:
    """Per level (B, C, h, w) -> (B, L, C): the L cells of all levels, one level after the other, row-major."""
    # Turned before they are joined: ONNX Runtime's convolutions, which have a layout of their own, write them so.
    return torch.cat([level.permute(0, 2, 3, 1).flatten(1, 2) for level in levels], dim=1)


def rows_at(values: Tensor, index: Tensor) -> Tensor:
    """values (B, N, C), index (B, M) -> (B, M, C)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))


def by_level(predictions: HeadOutputs, names: Sequence[str]) -> dict[str, Tensor]:
    """Maps of levels P3 to P7, each by its own name."""
    return {f"{name}_p{level}": value for name in names for level, value in enumerate(getattr(predictions, name), 3)}


def cells(
    shapes: Sequence[tuple[int, int]], config: ModelConfig, dtype: torch.dtype, device: torch.device | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Of every cell of levels of these shapes (h, w), in the order of `join_levels`: its centre (N, 2) xy in input
    pixels, its stride (N,) and its size of interest (N,).
    """
    points, strides, sizes = [], [], []
    for (height, width), stride, size in zip(shapes, config.strides, config.sizes_of_interest, strict=True):
        points.append(level_locations(height, width, stride, device).to(dtype))
        strides.append(torch.full((height * width,), float(stride), dtype=dtype, device=device))
        sizes.append(torch.full((height * width,), float(size), dtype=dtype, device=device))
    return torch.cat(points), torch.cat(strides), torch.cat(sizes)


def stable_top_k(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of (B, N) in descending order with their indices; of equal values the lower index comes first.

    ONNX TopK promises that order of ties, torch.topk does not: outside of an export a stable sort keeps the promise.
    """
    if torch.compiler.is_exporting():
        best, index = torch.topk(values, k)
        return best, index
    best, index = torch.sort(values, dim=1, descending=True, stable=True)
    return best[:, :k], index[:, :k]


def decode(
    raw: HeadOutputs,
    config: ModelConfig,
    top_k: TopK = stable_top_k,
    size: FrameSize | None = None,
) -> Decoded:
    """Detections of `raw` by the thresholds of `config`, in float32 (float64 for a float64 model).

    top_k: the rule that orders candidates. size: (H, W) of the frames without padding; None: the config's input size.

    Raises ValueError when a fixed input is so small that it has fewer (location, class) pairs than `max_detections`.
    """
    probability = _wide(raw.logits).sigmoid()
    quality = probability * _wide(raw.centerness).sigmoid()
    tested = quality if config.threshold_with_centerness else probability
    passed = tested > config.score_threshold
    candidates = torch.where(passed, quality, 0).flatten(1)
    free = config.shortest_edge is not None
    if not free and candidates.shape[1] < config.max_detections:
        raise ValueError(
            f"{candidates.shape[1]} candidates at this input size, fewer than {config.max_detections} detections"
        )
    shapes = [(level.shape[2], level.shape[3]) for level in raw.logits]
    points, strides, sizes = cells(shapes, config, probability.dtype, probability.device)

    pairs, there = _best_of_each_level(raw, probability, quality, passed, config, top_k)
    if pairs is not None:
        candidates = candidates.gather(1, pairs)
        if there is not None:
            candidates = torch.where(there, candidates, 0)
    if free:
        best, index, _ = _filled_top_k(candidates, config.pre_nms_topk, top_k)
    else:
        best, index = top_k(candidates, min(config.pre_nms_topk, candidates.shape[1]))
    if pairs is not None:
        index = pairs.gather(1, index)
    cell = index // config.num_classes
    labels = index - cell * config.num_classes
    boxes = _boxes(points[cell], rows_at(_wide(raw.ltrb), cell) * strides[cell][..., None])
    if config.clip_boxes:
        boxes = _clipped(boxes, config.input_size if size is None else size)
    if config.drop_empty_boxes:
        best = torch.where((boxes[..., 2:] > boxes[..., :2]).all(dim=2), best, 0)

    keep = cluster_nms(boxes, labels, best > 0, config.nms_threshold, config.nms_steps)
    best, order = top_k(torch.where(keep, best, 0), config.max_detections)
    kept = best > 0
    cell = cell.gather(1, order)

    def select(values: Tensor) -> Tensor:
        return torch.where(kept[..., None], values, 0)

    params, embeddings = raw.at(cell)
    return Decoded(
        boxes=select(rows_at(boxes, order)),
        scores=best.sqrt() if config.score_form == "sqrt" else best,
        labels=torch.where(kept, labels.gather(1, order), -1).to(torch.int32),
        count=kept.sum(1, dtype=torch.int32),
        params=select(params),
        locations=select(points[cell]),
        sizes=torch.where(kept, sizes[cell], 1),
        embeddings=None if embeddings is None else select(widen(embeddings, "decode")),
        cells=cell,
    )


def _best_of_each_level(
    raw: HeadOutputs, probability: Tensor, quality: Tensor, passed: Tensor, config: ModelConfig, top_k: TopK
) -> tuple[Tensor | None, Tensor | None]:
    """Indices (B, M) of the (location, class) pairs that `level_topk` leaves, level by level; None where it leaves all.

    And which of them are there (B, M); None where all are. In a model of any input size a level has no number of pairs
    that is known beforehand: it always gives `pre_nms_topk`, and what it lacks are pairs that are not there.

    probability, quality, passed: (B, cells of all levels, C).
    """
    counts = [level.shape[2] * level.shape[3] for level in raw.logits]
    limit = config.pre_nms_topk
    classes = config.num_classes
    by_pairs = config.level_topk == "pairs"
    each = classes if by_pairs else 1  # what is ranked, per cell
    free = config.shortest_edge is not None
    if config.level_topk == "none" or (not free and max(counts) * each <= limit):
        return None, None
    ranked = torch.where(passed, probability, 0).flatten(1) if by_pairs else quality.amax(dim=2)
    levels = torch.split(ranked, [level * each for level in counts], dim=1) if free else ()
    kept: list[Tensor] = []
    present: list[Tensor] = []
    start = 0
    for level in counts:
        size = level * each
        if free:
            _, best, filled = _filled_top_k(levels[len(kept)], limit, top_k)
            kept.append(best + start)
            present.append(filled)
        elif size > limit:
            kept.append(top_k(ranked[:, start : start + size], limit)[1] + start)
        else:
            kept.append(torch.arange(start, start + size, device=ranked.device).expand(ranked.shape[0], -1))
        start += size
    index, there = torch.cat(kept, dim=1), torch.cat(present, dim=1) if free else None
    if by_pairs:
        return index, there
    index = (index[..., None] * classes + torch.arange(classes, device=index.device)).flatten(1)
    return index, None if there is None else there.repeat_interleave(classes, dim=1)


def _filled_top_k(values: Tensor, k: int, top_k: TopK) -> tuple[Tensor, Tensor, Tensor]:
    """`top_k` of (B, N) for N of any size: values, indices, and which of the k are there.

    Where N is less than k, the rest are zeros at index 0, which are not there.
    """
    best, index = top_k(torch.cat([values, values.new_zeros(values.shape[0], k)], dim=1), k)
    there = index < values.shape[1]
    return best, torch.where(there, index, 0), there


def _wide(levels: list[Tensor]) -> Tensor:
    return widen(join_levels(levels), "decode")


def _boxes(points: Tensor, ltrb: Tensor) -> Tensor:
    return torch.cat([points - ltrb[..., :2], points + ltrb[..., 2:]], dim=-1)


def _clipped(boxes: Tensor, size: FrameSize) -> Tensor:
    if isinstance(size, Tensor):
        return boxes.clamp(min=0).minimum(size.flip(0).repeat(2).to(boxes.dtype))
    height, width = size
    left, top, right, bottom = boxes.unbind(-1)
    sides = [left.clamp(0, width), top.clamp(0, height), right.clamp(0, width), bottom.clamp(0, height)]
    return torch.stack(sides, dim=-1)
