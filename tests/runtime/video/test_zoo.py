"""Videos of every kind, frame by frame beside ffmpeg: as many frames, at the same times, with the same pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.runtime.video import open_source
from tests.runtime.video.zoo import CLIPS, Clip, decoded_by_ffmpeg

# Levels, of 255. On one machine the pixels are equal; other processors round colours a little differently.
MEAN = 0.5
LUMA = np.array([0.114, 0.587, 0.299])


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_frames_are_those_of_ffmpeg(clip: Clip, tmp_path: Path) -> None:
    name, _, number = clip.name.partition("#")
    path = replace(clip, name=name).make(tmp_path)
    source = open_source(f"{path}#{number}" if number else path)
    frames = list(source)
    assert source.size is not None and frames[0].image.shape[1::-1] == source.size
    expected = decoded_by_ffmpeg(path, clip.stream, source.size)
    assert len(frames) == len(expected.images) == len(expected.times)
    assert [f.time for f in frames] == pytest.approx(expected.times.tolist(), abs=expected.tick)
    found, wanted = np.stack([f.image for f in frames]).astype(float), expected.images.astype(float)
    if clip.sited:  # only colours may be up to half a pixel apart
        found, wanted = found @ LUMA, wanted @ LUMA
    assert mean_difference(found, wanted) <= MEAN < mean_difference(found[1:], wanted[:-1]) / 3
    lost = source.stats.decode_errors, source.stats.concealed, source.stats.cut_short
    assert lost == (int(clip.damaged is not None), 0, False)


def mean_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.abs(a - b).mean())
