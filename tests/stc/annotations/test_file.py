"""YouTube-VIS and OVIS annotations as published are read; of a malformed file every problem is listed at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycocotools import mask as coco

from stc.annotations.file import read_annotations
from stc.errors import InputError
from tests.benchmarks.evaluation import scenes

SIZE = (60, 96)
BOXES: list[scenes.Box | None] = [(8, 8, 20, 10), None, (10, 8, 20, 12)]


def truth() -> dict[str, Any]:
    objects = [
        {"boxes": BOXES, "occlusion": ["no_occlusion", None, "severe_occlusion"]},
        {"category": 2, "boxes": BOXES, "crowd": 1, "occlusion": [None, None, None]},
    ]
    return scenes.annotations(SIZE, [3, 2], objects, ("cat", "dog"))


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "data.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_is_published_is_read(tmp_path: Path) -> None:
    read = read_annotations(write(tmp_path, truth()))
    assert read.categories == {1: "cat", 2: "dog"}
    assert read.has_occlusion
    first, second = read.videos
    assert (first.id, first.name, first.size, len(first.files)) == (1, "v1", SIZE, 3)
    assert second.tracks == ()
    cat, dog = first.tracks
    assert (cat.category, cat.crowd, dog.category, dog.crowd) == (1, False, 2, True)
    assert [None if rle is None else int(coco.area(rle)) for rle in cat.masks] == [200, None, 240]
    assert cat.area == 220
    assert cat.occlusion == ("no_occlusion", None, "severe_occlusion")


@pytest.mark.parametrize("form", ["uncompressed", "polygons", "without areas", "empty masks"])
def test_other_forms_say_the_same(form: str, tmp_path: Path) -> None:
    content = truth()
    for entry in content["annotations"]:
        if form == "uncompressed":
            entry["segmentations"] = [scenes.uncompressed(mask) for mask in entry["segmentations"]]
        elif form == "polygons":
            corners = [
                b and [b[0], b[1], b[0] + b[2], b[1], b[0] + b[2], b[1] + b[3], b[0], b[1] + b[3]] for b in BOXES
            ]
            entry["segmentations"] = [polygon and [polygon] for polygon in corners]
        elif form == "without areas":
            del entry["areas"]
        else:
            entry["segmentations"][1] = {"size": list(SIZE), "counts": [SIZE[0] * SIZE[1]]}
    read = read_annotations(write(tmp_path, content)).videos[0].tracks
    expected = read_annotations(write(tmp_path, truth())).videos[0].tracks
    assert [track.area for track in read] == [track.area for track in expected]
    for track, other in zip(read, expected, strict=True):
        for mask, same in zip(track.masks, other.masks, strict=True):
            assert (mask is None) == (same is None)
            assert mask is None or (coco.decode(mask) == coco.decode(same)).all()


def test_areas_are_taken_as_annotated(tmp_path: Path) -> None:
    content = truth()
    content["annotations"][0]["areas"] = [300, None, 500.0]
    assert read_annotations(write(tmp_path, content)).videos[0].tracks[0].area == 400


def test_videos_come_in_order_of_their_ids_and_can_be_chosen(tmp_path: Path) -> None:
    content = truth()
    content["videos"].reverse()
    read = read_annotations(write(tmp_path, content))
    assert [video.id for video in read.videos] == [1, 2]
    assert [video.id for video in read.only(["v2"]).videos] == [2]
    with pytest.raises(InputError, match=r"no clips named v3 .* there are v1, v2"):
        read.only(["v3", "v2"])


@pytest.mark.parametrize("annotations", [None, "missing"])
def test_hidden_annotations_give_a_clear_message(annotations: Any, tmp_path: Path) -> None:
    content = truth() | {"annotations": annotations}
    if annotations == "missing":
        del content["annotations"]
    with pytest.raises(InputError, match=r"validation and test sets are hidden.*use a part of the training set"):
        read_annotations(write(tmp_path, content))


def test_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    def floats(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key == "counts" else floats(item) for key, item in value.items()}
        if isinstance(value, list):
            return [floats(item) for item in value]
        return float(value) if type(value) is int else value

    assert read_annotations(write(tmp_path, floats(truth()))) == read_annotations(write(tmp_path, truth()))


def test_a_byte_order_mark_is_no_part_of_the_json(tmp_path: Path) -> None:
    assert read_annotations(write(tmp_path, "\ufeff" + json.dumps(truth()))).categories == {1: "cat", 2: "dog"}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("categories", "no list `categories`; give"),
        ("videos", "no list `videos` (or `images`); give"),
    ],
)
def test_the_missing_list_is_named_and_no_other(key: str, message: str, tmp_path: Path) -> None:
    content = truth()
    del content[key]
    with pytest.raises(InputError) as error:
        read_annotations(write(tmp_path, content))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("damage", "problems"),
    [
        (lambda d: d["videos"][0].update(height="60"), 1),  # two tracks are in it
        (lambda d: d["videos"][0].update(file_names=[3]), 1),
        (lambda d: d["videos"][0].update(file_names=["a\0.png"] * 3), 1),
        (lambda d: d["videos"][0].update(id="1"), 1),  # which id that was, nobody can tell
        (lambda d: d["categories"][0].update(name=""), 1),
        (lambda d: d["categories"][0].update(name="\ud800"), 1),
        (lambda d: d["categories"][1].update(name="cat"), 1),
        (lambda d: (d["videos"][0].update(width=0), d["annotations"][1].update(video_id=77)), 2),
        (lambda d: (d["videos"][0].update(id=None), d["annotations"][1].update(video_id="1")), 2),
    ],
)
def test_what_refers_to_a_malformed_entry_is_no_problem_of_its_own(
    damage: Callable[[dict[str, Any]], Any], problems: int, tmp_path: Path
) -> None:
    content = truth()
    damage(content)
    with pytest.raises(InputError) as error:
        read_annotations(write(tmp_path, content))
    assert str(error.value).count("\n") == (0 if problems == 1 else problems), error.value


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"videos": 3, "categories": []}', "\x00"])
def test_what_is_no_annotation_file_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.json"):
        read_annotations(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json"):
        read_annotations(tmp_path / "absent.json")


DAMAGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda d: d["annotations"].append(3), "annotations[2]: no object with a whole number as `id`"),
    (lambda d: d["annotations"][1].update(id=1), "annotations[1]: id 1 is taken"),
    (lambda d: d["annotations"][0].update(video_id=9), "annotations[0] (id 1): video_id 9 is none of the videos"),
    (lambda d: d["annotations"][0].update(video_id=[1]), "video_id [1] is none of the videos"),
    (lambda d: d["annotations"][0].update(category_id="1"), "category_id '1' is none of the categories"),
    (lambda d: d["annotations"][0].update(iscrowd=2), "iscrowd must be 0 or 1; got 2"),
    (lambda d: d["annotations"][0].update(iscrowd=[0]), "iscrowd must be 0 or 1; got [0]"),
    (lambda d: d["annotations"][0]["segmentations"].pop(), "one per frame of the video, 3; got 2 of them"),
    (lambda d: d["annotations"][0].pop("segmentations"), "one per frame of the video, 3; got None"),
    (lambda d: d["annotations"][0]["segmentations"][2].update(size=[6, 9]), "frame 2: segmentation of size [6, 9]"),
    (
        lambda d: d["annotations"][0]["segmentations"][0].update(counts=[3]),
        "frame 0: an RLE whose runs cover 3 of 5760",
    ),
    (lambda d: d["annotations"][0].update(areas=[1, 2]), "`areas` must hold a number of pixels or null per frame"),
    (lambda d: d["annotations"][0].update(areas=[1, 2, "3"]), "`areas` must hold"),
    (lambda d: d["annotations"][0].update(occlusion=["a"] * 3), "`occlusion` must hold null or one of no_occlusion"),
    (lambda d: d["annotations"][0].update(occlusion=[[]] * 3), "`occlusion` must hold null or one of no_occlusion"),
    (lambda d: d.update(annotations={"1": 2}), "`annotations` is not a list"),
    (lambda d: d["videos"][0].update(height=0), "videos[0] (id 1): `height` and `width` must be numbers of pixels"),
    (lambda d: d["videos"][0].update(width=10**12), "must be numbers of pixels"),
    (lambda d: d["videos"][0].update(file_names=[]), "`file_names` must list the frames"),
    (lambda d: d["categories"][0].pop("name"), "categories[0] (id 1): no `name`"),
    (lambda d: d["categories"][1].update(name="cat"), "name 'cat' is taken"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[message for _, message in DAMAGES])
def test_what_is_wrong_is_said_with_its_place(
    damage: Callable[[dict[str, Any]], Any], message: str, tmp_path: Path
) -> None:
    content = truth()
    damage(content)
    with pytest.raises(InputError) as error:
        read_annotations(write(tmp_path, content))
    assert message in str(error.value)


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    content = truth()
    content["annotations"][0]["segmentations"][0]["counts"] = "!"
    content["annotations"][0]["iscrowd"] = "no"
    content["annotations"][1]["category_id"] = 5
    content["categories"].append({"id": 3})
    with pytest.raises(InputError) as error:
        read_annotations(write(tmp_path, content))
    assert "4 problems; mend the file or leave these entries out of it\n" in str(error.value)
    assert str(error.value).count("\n") == 4


def test_beyond_a_hundred_problems_the_rest_is_counted(tmp_path: Path) -> None:
    content = truth() | {"categories": [{"id": i} for i in range(150)]}
    with pytest.raises(InputError) as error:
        read_annotations(write(tmp_path, content))
    assert "150 problems" in str(error.value) and str(error.value).endswith("and 50 more")


def pictures() -> dict[str, Any]:
    """Two COCO pictures, with an object as RLE and one as polygon, and a region of a crowd; the second is for later."""
    size = {"height": SIZE[0], "width": SIZE[1]}
    square = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]
    return {
        "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
        "images": [
            {"id": 5, "file_name": "later/a.png", "split": "val", **size},
            {"id": 2, "file_name": "b.png", "split": "train", **size},
        ],
        "annotations": [
            {"id": 1, "image_id": 2, "category_id": 3, "segmentation": scenes.rle((8, 8, 20, 10), SIZE), "area": 190.5},
            {"id": 2, "image_id": 2, "category_id": 1, "segmentation": [square], "iscrowd": 0},
            {"id": 3, "image_id": 5, "category_id": 1, "segmentation": scenes.rle((0, 0, 9, 9), SIZE), "iscrowd": 1},
        ],
    }


def test_pictures_are_videos_of_one_frame(tmp_path: Path) -> None:
    read = read_annotations(write(tmp_path, pictures()))
    assert read.categories == {1: "cat", 3: "dog"}
    assert [(video.id, video.name, video.files, video.picture) for video in read.videos] == [
        (2, "b.png", ("b.png",), True),
        (5, "later/a.png", ("later/a.png",), True),
    ]
    dog, cat = read.videos[0].tracks
    assert (dog.category, dog.area, cat.category, cat.area, cat.crowd) == (3, 190.5, 1, 400, False)
    assert [track.crowd for track in read.videos[1].tracks] == [True]
    assert all(len(track.masks) == 1 for track in (dog, cat))


def test_what_is_left_out_is_named_and_its_masks_are_not_looked_at(tmp_path: Path) -> None:
    content = pictures()
    content["annotations"][2]["segmentation"] = "broken"
    path = write(tmp_path, content)
    for chosen in ({"split": "train"}, {"exclude": ["later/a.png"]}):
        read = read_annotations(path, **chosen)  # type: ignore[arg-type]
        assert [video.name for video in read.videos] == ["b.png"]
        assert read.left_out == {"later/a.png"}
    with pytest.raises(InputError, match=r"data\.json: annotations\[2\] \(id 3\): neither polygons nor an RLE"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d["images"][0].pop("file_name"), "images[0] (id 5): `file_name` must name the picture"),
        (lambda d: d["annotations"][0].update(image_id=9), "image_id 9 is none of the images"),
        (lambda d: d["annotations"][0].update(area="much"), "`area` must be a number of pixels; got 'much'"),
        (lambda d: d["annotations"][0].pop("segmentation"), "annotations[0] (id 1): no `segmentation`"),
    ],
)
def test_what_is_wrong_with_pictures_is_said(
    damage: Callable[[dict[str, Any]], Any], message: str, tmp_path: Path
) -> None:
    content = pictures()
    damage(content)
    with pytest.raises(InputError) as error:
        read_annotations(write(tmp_path, content))
    assert message in str(error.value)
