"""docs/coming-from.md: each line that it gives runs, on a small model and a drawn clip, and does what it stands beside.

Its commands are parsed by tests/test_docs.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pages import ROOT, answers, blocks
from tests.runtime import tiny_model
from tests.runtime.track.fleet_clips import clip

PAGE = "docs/coming-from.md"
LINES = [line for line in answers() if not line.startswith("stc-")]
Names = dict[str, Any]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    """What the page's first block leaves behind, where the model and the clip that it names are."""
    place = tmp_path_factory.mktemp("place")
    tiny_model.write_bundle(place / "model", replace(tiny_model.PASSPORT, classes=("person", "vehicle")))
    clip(place / "clip.mkv", 6)
    Image.fromarray(tiny_model.frame((2, (8, 12, 40, 44)))[..., ::-1]).save(place / "photo.png")
    found: Names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        exec(blocks(PAGE, "python")[0], found)
        yield found
    found["session"].close()


@pytest.fixture
def inside(names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    """Those names for one line, with a stream that has seen a frame, in a folder that has the model and the clip."""
    for name in ("model", "clip.mkv", "photo.png"):
        (tmp_path / name).symlink_to(Path.cwd() / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)  # pytest has set up logging
    stream = names["session"].stream("gate")
    stream(names["frame"].image, 0.0)
    return {**names, "stream": stream}


def value(line: str, names: Names) -> Any:
    """What a line gives, with all that it would give one by one; None for a statement."""
    if not isinstance(ast.parse(line).body[0], ast.Expr):
        exec(line, names)
        return None
    found = eval(line, names)
    return list(found) if isinstance(found, Iterator) else found


def rows(names: Names) -> int:
    return len(names["result"])


# What some lines must give, told by other means. The clip shows one "person" of 32 x 32 pixels, at x = 8 + |n - 20| in
# frame n; masks lie on a grid of 4 pixels, resampled.
GIVES: dict[str, Callable[[Any, Names], bool]] = {
    "session.predict(frame.image)": lambda found, names: found.track_ids.tolist() == [1],
    'session.predict(Image.open("photo.png"))': lambda found, names: found.track_ids.tolist() == [1],
    'session.predict("photo.png")': lambda found, names: found.track_ids.tolist() == [1],
    'session.track("clip.mkv", every=2)': lambda found, names: [frame.index for frame, _ in found] == [0, 2, 4],
    "dict(enumerate(session.classes))": lambda found, names: found == {0: "person", 1: "vehicle"},
    "session.input_size": lambda found, names: found == (60, 96),
    "result.boxes": lambda found, names: found.tolist() == [[23, 12, 55, 44]],
    "np.hstack([result.xywh[:, :2] + result.xywh[:, 2:] / 2, result.xywh[:, 2:]])": lambda found, names: (
        found.tolist() == [[39, 28, 32, 32]]
    ),
    "result.names": lambda found, names: found == ("person",),
    "result.track_ids": lambda found, names: found.tolist() == [1],
    "result.masks.dense()": lambda found, names: found.shape == (1, 60, 96) and abs(found.sum() - 32 * 32) < 8 * 34,
    "[[part / result.frame_size[::-1] for part in parts] for parts in result.masks.polygons()]": lambda found, names: (
        np.abs(np.vstack(found[0]).max(axis=0) - [55 / 96, 44 / 60]).max() < 0.05
    ),
    "result.xywh[:, 2:].prod(axis=1)": lambda found, names: found.tolist() == [32 * 32],
    'result["person"]': lambda found, names: len(found) == rows(names) == 1,
    "np.stack([result.boxes[:, [0, 2]].mean(axis=1), result.boxes[:, 3]], axis=1)": lambda found, names: (
        found.tolist() == [[39, 44]]
    ),
    "Counter(result.tracks().names)": lambda found, names: found == {"person": 1},
    "Image.fromarray(result.draw(frame)[..., ::-1])": lambda found, names: found.size == (96, 60),
    'result.to_pandas().to_csv("objects.csv", index=False)': lambda found, names: (
        Path("objects.csv").read_text(encoding="utf-8").startswith("time,track_id,handle,label,score,x0,y0,x1,y1,area")
    ),
    'result.save("out.jpg", frame)': lambda found, names: Image.open("out.jpg").size == (96, 60),
    "heat = result.masks.dense().sum(axis=0)": lambda found, names: names["heat"].max() == 1,
}


def test_the_table_is_as_long_as_what_people_reach_for() -> None:
    assert len(LINES) >= 60
    assert GIVES.keys() <= set(LINES)


@pytest.mark.parametrize("line", LINES)
def test_the_line_runs_and_gives_what_it_stands_for(line: str, inside: Names) -> None:
    found = value(line, inside)
    assert GIVES.get(line, lambda *_: True)(found, inside)


def test_the_names_beside_them_are_supervisions() -> None:
    supervision = pytest.importorskip("supervision", reason="pip install 'stc-trt[supervision]'")
    named = set(re.findall(r"`sv\.(\w+)", (ROOT / PAGE).read_text(encoding="utf-8")))
    assert len(named) > 10
    assert [name for name in sorted(named) if not hasattr(supervision, name)] == []
