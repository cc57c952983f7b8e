"""docs/tutorials: each page is followed block by block, and the notebook cell by cell, with what its reader has.

Python blocks of a page share their names, `sh` blocks are commands of ours, a `toml` block is the file that it names. A
block after a paragraph that begins with "Not run in the tests" is not executed.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stc.cli import run
from stc.export import Export
from stc.runtime.bundle import passport
from tests.benchmarks.proven import prove
from tests.pages import PAGES, ROOT, fenced, mains
from tests.runtime import tiny_model
from tests.runtime.publishing.brokers import Mosquitto
from tests.runtime.track.fleet_clips import clip

FOLDER = "docs/tutorials"
NOTEBOOK = ROOT / FOLDER / "track_a_video.ipynb"
PORT = "127.0.0.1:1883"
LEFT_OUT = "Not run in the tests"
Names = dict[str, Any]


class Broker(Mosquitto):
    """As Debian starts it: open to everybody on this machine."""

    def prepare(self) -> None:
        (self.folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
        )


@contextmanager
def broker() -> Iterator[Broker]:
    """Skips where there is none."""
    server = Broker(Path.cwd())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def follow(page: str, replaced: dict[str, str] | None = None) -> Names:
    """Do what a page says, in the working folder, and return the names that its Python left."""
    names: Names = {}
    for number, block in enumerate(fenced(page), 1):
        if block.above.startswith(LEFT_OUT):
            continue
        text = block.text
        for old, new in (replaced or {}).items():
            text = text.replace(old, new)
        match block.language:
            case "python":
                exec(compile(text, f"{page}, block {number}", "exec"), names)
            case "sh":
                type_in(text)
            case "toml":
                head, _, body = text.partition("\n")
                Path(head.removeprefix("# file: ")).write_text(body, encoding="utf-8")
            case other:
                pytest.fail(f"{page}, block {number}: nothing says how {other!r} is run")
    return names


def type_in(text: str) -> None:
    """Commands of ours, as a shell would take them; each ends with 0, or with what its comment says."""
    for line in text.splitlines():
        command, _, comment = line.partition("  # exits with ")
        program, *words = shlex.split(command)
        arguments = [
            found for word in words for found in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
        ]
        main = import_module(mains()[program]).main
        assert run(main, arguments) == int(comment or 0), line


def test_every_tutorial_is_followed_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    pages = [page for page in PAGES if page.startswith(FOLDER)]
    assert len(pages) == 4
    assert [page for page in pages if f'"{Path(page).name}"' not in here] == []


def test_what_is_left_out_is_little_and_says_why() -> None:
    for page in (page for page in PAGES if page.startswith(FOLDER)):
        left_out = [block for block in fenced(page) if block.above.startswith(LEFT_OUT)]
        assert len(left_out) <= 2 < len(fenced(page)) - len(left_out)
        assert all(re.match(rf"{LEFT_OUT}, (which have n|for the same)", block.above) for block in left_out)


def page(name: str) -> str:
    return f"{FOLDER}/{name}"


def walk(path: Path) -> Path:
    """Somebody who walks from the left over the middle to the right."""
    return clip(path, 16, place=lambda index: 2 + 4 * index)


@pytest.mark.slow
def test_from_a_camera_to_counts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model.write_bundle(place / "model")
    walk(place / "gate.mkv")
    with broker() as server:
        names = follow(page("camera-to-counts.md"), {"1883": str(server.port)})
    told = capsys.readouterr().out
    assert "1 in, 0 out, 1 in the yard now" in told and "gate.mkv 1 in" in told
    assert [message["index"] for message in names["messages"]] == list(range(16))
    assert (place / "runs/track-1").is_dir() and (place / "gate.jsonl").read_text().count("\n") == 16


@pytest.mark.slow
def test_from_a_checkpoint_to_an_engine(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export itself, fifteen seconds that tests/export spends, stands aside: it has left the tiny model, proven."""
    write_checkpoint(place / "model.safetensors", (64, 96))
    walk(place / "gate.mkv")

    def export(arguments: Namespace, _: object) -> Export:
        bundle = prove(tiny_model.write_bundle(Path(arguments.output)))
        found = replace(
            passport.read(bundle),
            agreement={"model.onnx": {"verdict": "pass"}},
            checkpoint={"file": arguments.ckpt, "sha256": "0" * 64, "layout": "stc", "assumed": {}},
        )
        found.write(bundle)
        return Export(bundle, found, (), "no engine")

    monkeypatch.setattr("stc.export.main.export_checkpoint", export)
    names = follow(page("checkpoint-to-engine.md"))
    told = capsys.readouterr().out
    assert "agrees with PyTorch: pass" in told and "refused: carried/model.onnx: sha256" in told
    assert names["verified"].keys() == {"model.onnx", "reference.npz"} and (place / "bench.html").is_file()


@pytest.mark.slow
def test_train_your_own(place: Path) -> None:
    """What training writes goes through export, tracking and evaluation."""
    write_checkpoint(place / "start.safetensors", (64, 96))
    names = follow(page("train-your-own.md"))
    assert len(names["steps"]) == 6 and (place / "runs/mine/losses.png").is_file()
    assert passport.read(place / "mine").classes == ("disc",)
    assert (place / "found.jsonl").read_text().count("\n") == 4
    assert json.loads((place / "scores.json").read_text())


@pytest.mark.slow
def test_many_videos(place: Path) -> None:
    pytest.importorskip("ray", reason="pip install 'stc-trt[ray]' (there is no ray for this Python or platform)")
    tiny_model.write_bundle(place / "model")
    (place / "videos").mkdir()
    for index in range(3):
        clip(place / "videos" / f"v{index}.mkv", 4 + index)
    names = follow(page("many-videos.md"))
    assert names["table"]["frames"].tolist() == [4, 5, 6] and names["table"]["tracks"].tolist() == [1, 1, 1]


def write_checkpoint(path: Path, size: tuple[int, int]) -> None:
    from stc.model import checkpoint
    from tests.seeded import stc_lite_model

    model = stc_lite_model(0)
    model.config = model.config.with_(input_size=size)
    checkpoint.save(model, path)


# -- The notebook ------------------------------------------------------------------------------------------------------


def cells(kind: str) -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def shown(cell: str, names: Names) -> Any:
    """Execute a cell, and return what a notebook would show below it: the value of its last line."""
    body = ast.parse(cell).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_notebook_runs_from_top_to_bottom(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pandas = pytest.importorskip("pandas")
    tiny_model.write_bundle(place / "model")
    walk(place / "clip.mkv")
    names: Names = {}
    values = [shown(cell, names) for cell in cells("code")]
    pictures = [value for value in values if isinstance(value, Image.Image)]
    tables = [value for value in values if isinstance(value, pandas.DataFrame)]
    assert [picture.size for picture in pictures] == [(96, 60)] * 3
    assert len(tables) == 2 and tables[1]["frames"].tolist() == [16]
    assert values[-1] == (1, 0) and "cat #1 in" in capsys.readouterr().out


def test_the_notebook_is_one_and_holds_no_outputs() -> None:
    """The form of version 4.5, by hand; links and outputs are none of its reader's machine."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook.keys() == {"cells", "metadata", "nbformat", "nbformat_minor"}
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[\w-]{1,64}", name) for name in names)
    common = {"cell_type", "id", "metadata", "source"}
    for cell in notebook["cells"]:
        assert cell.keys() == (common if cell["cell_type"] == "markdown" else common | {"execution_count", "outputs"})
        assert not cell.get("outputs") and cell.get("execution_count") is None
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", "".join(cells("markdown"))):
        assert (NOTEBOOK.parent / target).exists(), target
