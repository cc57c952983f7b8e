"""Result JSON: YouTube-VIS form, as `stc-track --json` writes and challenge servers take; for pictures COCO's too."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stc.annotations.file import FIX, known, read_json
from stc.annotations.masks import Masks, mask_areas, mean_area, read_mask, read_masks
from stc.annotations.videos import Video, VideoAnnotations
from stc.boundary import foreign
from stc.errors import InputError, Problems
from stc.json_values import number, shown, whole

LARGEST = 1 << 30  # bytes that a zip may unpack to


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

    For annotations of pictures, COCO results are read as well: `image_id` and one `segmentation` each.

    Raises InputError when it is no such file or holds malformed entries: then all of them are listed.
    """
    data = _unpacked(path) if path.suffix.lower() == ".zip" else read_json(path)
    if not isinstance(data, list):
        raise InputError(f"{path}: not a list of results; make one with: stc-track VIDEO --model MODEL --json {path}")
    videos = {video.id: video for video in annotations.videos}
    pictures = any(video.picture for video in annotations.videos)
    if not pictures and any(
        isinstance(entry, dict) and {"image_id", "video_id"} & entry.keys() == {"image_id"} for entry in data
    ):
        raise InputError(
            f"{path}: COCO results (`image_id`) for annotations of videos; give the annotations of these pictures as "
            "--data, or results in YouTube-VIS form: stc-track VIDEO --model MODEL --json FILE"
        )
    problems = Problems(str(path))
    found: dict[int, list[Prediction]] = defaultdict(list)
    for index, entry in enumerate(data):
        where = f"[{index}]"
        if not isinstance(entry, dict):
            problems.add(where, f"not an object: {shown(entry)}")
            continue
        key = "image_id" if pictures and "video_id" not in entry else "video_id"
        if (video := known(entry, key, videos)) is None:
            whose = "pictures" if key == "image_id" else "videos"
            problems.add(where, f"{key} {shown(entry.get(key))} is none of the annotations' {whose}")
        else:
            found[video.id].append(prediction_of(entry, video, annotations.categories, where, problems))
    problems.check(FIX)
    return found


def _unpacked(path: Path) -> Any:
    """The JSON of a zip as challenge servers take it. Raises InputError for all but one, of bounded size."""
    if path.exists() and not path.is_file():  # a pipe cannot be read from its end
        raise InputError(f"{path}: no regular file; give the zip itself")
    with foreign("zip", path, f"check it with: python -m zipfile -l {path}"), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.lower().endswith(".json")]
        if len(members) != 1:
            raise InputError(f"{path}: holds {len(members)} JSON files, one is meant: results.json")
        if members[0].file_size > LARGEST:
            raise InputError(f"{path}: unpacks to {members[0].file_size:,} bytes; at most {LARGEST:,} are read")
        return json.loads(archive.read(members[0]).decode("utf-8-sig"))  # zipfile reads no more than is stated


def prediction_of(
    entry: dict[str, Any], video: Video, categories: dict[int, str], where: str, problems: Problems
) -> Prediction:
    """What `entry`, the one at `where`, says of a track of `video`; what is wrong with it is added to `problems`."""
    category = whole(entry.get("category_id"))
    if known(entry, "category_id", categories) is None:
        problems.add(where, f"category_id {shown(entry.get('category_id'))} is none of the annotations' categories")
    score = number(entry.get("score"))
    if score is None:
        problems.add(where, f"`score` must be a number; got {shown(entry.get('score'))}")
    return Prediction(category or 0, score or 0.0, _masks(entry, video, where, problems))


def _masks(entry: dict[str, Any], video: Video, where: str, problems: Problems) -> Masks:
    if not (video.picture and "segmentations" not in entry):
        return read_masks(entry.get("segmentations"), video.size, len(video.files), where, problems)
    if "segmentation" not in entry:
        problems.add(where, "no `segmentation`: boxes alone are not scored")
        return ()
    return (read_mask(entry["segmentation"], video.size, where, problems),)
