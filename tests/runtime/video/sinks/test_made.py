"""The mark of our files: there in every format, unseen by readers, and gone with an edit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from stc.runtime.video.sinks import made
from stc.runtime.video.sinks.pictures import write_picture
from stc.runtime.video.sinks.video import video_writer
from stc.runtime.video.sinks.ytvis import ytvis_sink
from tests.runtime.video.clips import make_frame, square_picture, two_tracks

FORMATS = [".jpg", ".jpeg", ".png", ".webp", ".bmp"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("size", [(120, 160), (1, 1), (37, 53)])
def test_a_marked_picture_is_the_same_picture(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    picture = square_picture(0, (120, 160))[: size[0], : size[1]]
    write_picture(tmp_path / f"ours{suffix}", picture)
    _, encoded = cv2.imencode(suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix.startswith(".jp") else [])
    (tmp_path / f"other{suffix}").write_bytes(encoded.tobytes())
    assert np.array_equal(cv2.imread(str(tmp_path / f"ours{suffix}")), cv2.imread(str(tmp_path / f"other{suffix}")))
    with Pillow.open(tmp_path / f"ours{suffix}") as ours, Pillow.open(tmp_path / f"other{suffix}") as other:
        assert np.array_equal(np.asarray(ours), np.asarray(other))
    assert made.is_ours(tmp_path / f"ours{suffix}") and not made.is_ours(tmp_path / f"other{suffix}")


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_edited_picture_is_no_longer_ours(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ours{suffix}"
    write_picture(path, square_picture(0))
    with Pillow.open(path) as picture:
        comment = picture.info.get("comment", b"")
        turned = picture.rotate(3)
    turned.save(path, comment=comment) if suffix.startswith(".jp") else turned.save(path)
    assert not made.is_ours(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_video_of_ours_is_known_and_another_is_not(tmp_path: Path, clip: Path, suffix: str) -> None:
    path = tmp_path / f"ours{suffix}"
    with video_writer(path, 25) as write:
        write(square_picture(0), make_frame(0))
    assert made.is_ours(path) and not made.is_ours(clip)
    (tmp_path / f"noise{suffix}").write_bytes(b"noise" * 1000)
    assert not made.is_ours(tmp_path / f"noise{suffix}") and not made.is_ours(tmp_path / f"missing{suffix}")


def test_a_result_of_ours_is_known_and_another_is_not(tmp_path: Path) -> None:
    with ytvis_sink(tmp_path / "ours.json") as sink:
        for index, result in enumerate(two_tracks()):
            sink(make_frame(index), result)
    with ytvis_sink(tmp_path / "none.json"):
        pass
    (tmp_path / "other.json").write_text('[{"video_id": 1, "category_id": 2, "score": 1.0, "segmentations": []}]')
    assert [made.is_ours(tmp_path / f"{name}.json") for name in ("ours", "none", "other")] == [True, True, False]
