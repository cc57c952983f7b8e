"""Result JSON in YouTube-VIS format: what `stc-track --json` writes and the challenge servers take."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stc.annotation_file import FIX, known, read_json
from stc.errors import InputError
from stc.problems import Problems
from stc.track_masks import Masks, mask_areas, mean_area, read_masks
from stc.video_annotations import Video, VideoAnnotations


@dataclass(frozen=True)
class Prediction:
    """One track of a video: its class, its score and a mask per frame."""

    category: int
    score: float
    masks: Masks

    @cached_property
    def area(self) -> float:
        """Mean over the frames with a mask, in pixels."""
        return mean_area(mask_areas(self.masks))


def read_results(path: Path, annotations: VideoAnnotations) -> dict[int, list[Prediction]]:
    """The tracks of each video by its id, in the file's order.

    Raises InputError when it is no such file or holds malformed entries: then all of them are listed.
    """
    data = read_json(path)
    if not isinstance(data, list):
        raise InputError(f"{path}: not a list of results; make one with: stc-track VIDEO --model MODEL --json {path}")
    videos = {video.id: video for video in annotations.videos}
    problems = Problems(str(path))
    found: dict[int, list[Prediction]] = defaultdict(list)
    for index, entry in enumerate(data):
        where = f"[{index}]"
        if not isinstance(entry, dict):
            problems.add(where, f"not an object: {entry!r:.60}")
        elif (video := known(entry, "video_id", videos)) is None:
            problems.add(where, f"video_id {entry.get('video_id')!r} is none of the annotations' videos")
        else:
            prediction = _prediction(entry, video, annotations.categories, where, problems)
            found[video.id].append(prediction)
    problems.check(FIX)
    return found


def _prediction(
    entry: dict[str, Any], video: Video, categories: dict[int, str], where: str, problems: Problems
) -> Prediction:
    score = entry.get("score")
    if known(entry, "category_id", categories) is None:
        problems.add(where, f"category_id {entry.get('category_id')!r} is none of the annotations' categories")
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score):
        problems.add(where, f"`score` must be a number; got {score!r}")
        score = 0.0
    masks = read_masks(entry.get("segmentations"), video.size, len(video.files), where, problems)
    return Prediction(entry.get("category_id", 0), float(score), masks)
