"""The check of run-length encodings, against encodings that pycocotools makes and damage done to them."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from stc.training.rle import check_rle


def test_every_encoding_of_a_mask_is_accepted_and_no_other_size_is() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        height, width = (int(side) for side in rng.integers(1, 150, 2))
        mask = rng.random((height, width)) < rng.choice([0, 0.01, 0.5, 0.99, 1])
        rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        check_rle(rle)
        check_rle({**rle, "counts": rle["counts"].decode()})
        with pytest.raises(ValueError, match=f"{height * width} pixels of {height}x{width + 1}"):
            check_rle({**rle, "size": [height, width + 1]})


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("", "cover 0 pixels"),
        ("\x00", "no text of COCO's RLE"),
        ("o", "no text of COCO's RLE"),  # the first of several characters
        ("oooooooooo0", "more than 40 bits"),
        ("A", "cover -15 pixels"),  # a run of negative length
        ("9é", "no text of COCO's RLE"),
    ],
)
def test_what_is_no_encoding_is_refused(counts: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_rle({"size": [3, 3], "counts": counts})
