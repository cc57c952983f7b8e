"""Reading YTVIS and COCO annotations, and refusing what cannot be trained on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.errors import InputError
from stc.training.data.index import read_all
from tests.run_lengths import compressed, wrapping
from tests.training.conftest import Source, blob


def _read(*sources: Source, exclude: tuple[str, ...] = (), split: str = "train") -> Any:
    return read_all(list(sources), exclude=frozenset(exclude), split=split)


def _edit(source: Source, **changes: Any) -> None:
    data = json.loads(source.annotations.read_text())
    source.annotations.write_text(json.dumps({**data, **changes}))


def test_stills_are_complete_clips_of_one_frame(stills: Source) -> None:
    dataset = _read(stills)
    assert dataset.classes == ("disc", "square")
    assert [(clip.name, clip.partial, len(clip.frames)) for clip in dataset.clips] == [
        ("a.png", False, 1),
        ("b.png", False, 1),
    ]
    first, second = (clip.frames[0] for clip in dataset.clips)
    assert [instance.label for instance in first.instances] == [0, 1]
    assert (first.instances[0].mask() == blob("disc", 40, 50, 22)).all()
    assert [instance.crowd for instance in second.instances] == [False, True]
    assert len(second.objects) == 1
    assert second.objects[0].area == 60 * 60  # a polygon
    assert second.objects[0].box == (34, 18, 94, 78)


def test_a_track_keeps_its_identity_and_data_sets_do_not_share_any(stills: Source, clips: Source) -> None:
    dataset = _read(stills, clips)
    moving = next(clip for clip in dataset.clips if clip.name == "moving")
    assert not moving.partial
    assert all(clip.partial for clip in _read(replace(clips, partial=True)).clips)
    assert [len(frame.instances) for frame in moving.frames] == [1, 1, 1, 0]
    assert len({frame.instances[0].identity for frame in moving.frames[:3]}) == 1
    tracks = [{i.identity for frame in clip.frames for i in frame.instances} for clip in dataset.clips]
    assert sum(len(track) for track in tracks) == len(set().union(*tracks)) == 6


def test_split_selects_pictures(stills: Source) -> None:
    assert [clip.name for clip in _read(stills, split="val").clips] == ["c.png"]


def test_excluded_clips_are_never_read(clips: Source) -> None:
    for path in (clips.frames / "secret").iterdir():
        path.unlink()  # reading any of them would fail
    assert [clip.name for clip in _read(clips, exclude=("secret",)).clips] == ["moving"]


def test_excluding_an_unknown_clip_is_an_error(clips: Source) -> None:
    with pytest.raises(InputError, match="no clip named secrte"):
        _read(clips, exclude=("secrte",))


def test_uncompressed_rle_is_read(stills: Source) -> None:
    mask = blob("disc", 40, 50, 22)
    flat = np.concatenate([[0], mask.flatten(order="F").astype(int), [1 - int(mask[-1, -1])]])
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], edges])).tolist()
    data = json.loads(stills.annotations.read_text())
    data["annotations"][0]["segmentation"] = {"size": list(mask.shape), "counts": counts}
    stills.annotations.write_text(json.dumps(data))
    assert (_read(stills).clips[0].frames[0].instances[0].mask() == mask).all()


def test_missing_frames_are_named(stills: Source) -> None:
    (stills.frames / "b.png").unlink()
    with pytest.raises(InputError, match=r"clip b\.png: 1 of 1 frames are missing, the first is .*b\.png.*--frames"):
        _read(stills)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "cannot be read as JSON"),
        ("[]", "neither YouTube-VIS nor COCO"),
        ('{"videos": [], "categories": [], "annotations": null}', "holds no annotations"),
        ('{"images": [], "categories": [], "annotations": []}', "no annotated object left"),
        ('{"videos": [], "categories": [], "annotations": "hidden"}', "`annotations` is not a list"),
        ('{"videos": [], "categories": []}', "holds no annotations"),
        ('{"images": [], "categories": 3, "annotations": []}', "neither YouTube-VIS nor COCO"),
        ('{"images": null, "categories": [], "annotations": []}', "neither YouTube-VIS nor COCO"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        _read(Source(path, tmp_path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        _read(Source(tmp_path / "absent.json", tmp_path))


def test_masks_of_another_size_are_refused(stills: Source) -> None:
    data = json.loads(stills.annotations.read_text())
    data["annotations"][0]["segmentation"]["size"] = [10, 10]
    stills.annotations.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"annotations\[0\] \(id 1\): segmentation of size \[10, 10\]"):
        _read(stills)


def test_sources_must_agree_on_classes(stills: Source, clips: Source) -> None:
    _edit(clips, categories=[{"id": 4, "name": "disc"}, {"id": 9, "name": "triangle"}])
    with pytest.raises(InputError, match="differ from"):
        _read(stills, clips)


def test_every_problem_is_listed_at_once(stills: Source, clips: Source) -> None:
    data = json.loads(stills.annotations.read_text())
    first, second, third, *_ = data["annotations"]
    first["segmentation"] = {"size": [96, 128], "counts": "oo"}
    second["category_id"] = 77
    third["image_id"] = 99
    data["annotations"] += [{"id": 6}, 5, {"id": 7, "image_id": 0, "category_id": 4, "segmentation": [[1, 2]]}]
    data["images"] += [{"id": 0, "file_name": "a.png", "height": 96, "width": 128}, {"id": 8, "file_name": "d.png"}]
    stills.annotations.write_text(json.dumps(data))
    data = json.loads(clips.annotations.read_text())
    data["annotations"][0]["segmentations"].pop()
    data["annotations"][1]["segmentations"][1] = {"size": [96, 128], "counts": [5, 5]}
    data["videos"].append({"id": 3, "height": 0, "width": 9, "file_names": ["x/1.jpg"]})
    data["videos"].append({"id": 4, "height": 9, "width": 9, "file_names": "x/1.jpg"})
    clips.annotations.write_text(json.dumps(data))
    (clips.frames / "secret" / "00001.png").unlink()
    with pytest.raises(InputError) as raised:
        _read(stills, clips, exclude=("nobody",))
    text = str(raised.value)
    expected = [
        "stills/annotations.json: annotations[0] (id 1): `counts` is no compressed RLE",
        "annotations[1] (id 2): category_id 77 is none of the categories",
        "annotations[2] (id 3): image_id 99 is none of the images",
        "annotations[5] (id 6): category_id None is none of",
        "annotations[5] (id 6): image_id None is none of",
        "annotations[6]: no object with a whole number as `id`",
        "annotations[7] (id 7): a polygon is a list of at least three",
        "images[3]: id 0 is taken by an earlier one",
        "images[4] (id 8): `height` and `width` must be numbers of pixels",
        "clips/annotations.json: annotations[0] (id 1): `segmentations` must hold one per frame of the video, 4; got 3",
        "annotations[1] (id 2), frame 1: an RLE whose runs cover 10 of 12288 pixels",
        "videos[2] (id 3): `height` and `width` must be numbers of pixels",
        "videos[3] (id 4): `file_names` must list the frames",
        "clip secret: 1 of 2 frames are missing",
        "--exclude: no clip named nobody",
    ]
    missing = [part for part in expected if part not in text]
    assert not missing, text
    assert f"the data: {len(expected)} problems; nothing was trained" in text


def test_the_fingerprint_changes_with_annotations_and_choices(stills: Source, clips: Source) -> None:
    prints = {
        _read(stills).fingerprint,
        _read(clips).fingerprint,
        _read(stills, clips).fingerprint,
        _read(replace(clips, partial=True)).fingerprint,
        _read(clips, exclude=("secret",)).fingerprint,
        _read(stills, split="val").fingerprint,
    }
    assert len(prints) == 6
    assert _read(clips).fingerprint in prints


@pytest.mark.slow
def test_no_run_length_encoding_keeps_the_command_busy_for_ever(stills: Source, tmp_path: Path) -> None:
    """In a child process: what spins in C ends with no signal but SIGKILL."""
    data = json.loads(stills.annotations.read_text())
    size = [data["images"][0][side] for side in ("height", "width")]
    data["annotations"][0]["segmentation"] = {"size": size, "counts": compressed(wrapping(size[0] * size[1]))}
    _edit(stills, **data)
    program = "from stc.training.main import entry; entry()"
    command = [sys.executable, "-c", program, "--data", str(stills.annotations)]
    done = subprocess.run(
        [*command, "--frames", str(stills.frames), "--output", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "an RLE " in done.stderr and not (tmp_path / "run").exists()
