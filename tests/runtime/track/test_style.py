"""What is drawn, by options of the command and by a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stc.runtime import Style
from stc.runtime.drawing.draw import NO_PATHS
from stc.runtime.video import open_source
from tests.runtime.track.track_cli import Track

Drawn = list[tuple[Style, int]]


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """The style of every frame that the command draws, and the positions of its longest path."""
    monkeypatch.chdir(tmp_path)
    seen: Drawn = []

    def annotate(image: np.ndarray, result: object, style: Style, paths: dict[int, object] = NO_PATHS) -> np.ndarray:  # type: ignore[assignment]
        seen.append((style, max((len(path) for path in paths.values()), default=0)))  # type: ignore[arg-type]
        return image

    monkeypatch.setattr("stc.runtime.drawing.draw.annotate", annotate)
    return seen


@pytest.mark.parametrize(
    ("options", "style"),
    [
        ([], Style()),
        (["--alpha", "0.5", "--thickness", "3", "--boxes"], Style(0.5, 3, boxes=True)),
        (["--alpha", "0", "--thickness", "0", "--no-labels", "--trails", "5"], Style(0, 0, labels=False, trails=5)),
    ],
)
def test_options_reach_the_video(options: list[str], style: Style, clip: Path, track: Track, drawn: Drawn) -> None:
    assert track("clip.mp4", "-o", "out.mp4", *options) == 0
    assert [each for each, _ in drawn] == [style] * 12
    assert max(length for _, length in drawn) == style.trails
    with open_source("out.mp4") as source:
        assert sum(1 for _ in source) == 12


def test_a_file_of_settings_has_the_same_options(clip: Path, track: Track, drawn: Drawn) -> None:
    Path("gate.toml").write_text("alpha = 0.5\nlabels = false\nboxes = true\ntrails = 4\n")
    assert track("clip.mp4", "-o", "out.mp4", "--config", "gate.toml") == 0
    assert drawn[0][0] == Style(0.5, labels=False, boxes=True, trails=4)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--alpha", "1.5", "alpha 1.5: must be from 0"),
        ("--alpha", "nan", "alpha nan: must be from 0"),
        ("--thickness", "-1", "thickness -1: must be from 0 to 255 pixels"),
        ("--thickness", "256", "thickness 256"),
        ("--trails", "-1", "trails -1: must be from 0, none, to 300 positions"),
        ("--trails", "x", "invalid int value"),
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_is_written(
    option: str, value: str, told: str, clip: Path, track: Track, drawn: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert track("clip.mp4", "-o", "out.mp4", f"{option}={value}") == 1
    assert told in capsys.readouterr().err and not Path("out.mp4").exists() and not drawn
