"""What the documents show: Python blocks run, commands parse, links lead somewhere.

The tiny model of the tests stands for the reader's model, a drawn clip for their video.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from tests.pages import PAGES, ROOT, answers, blocks, mains

Namespace = dict[str, Any]


# -- Python ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the bundle `model-fp16` and `clip.mkv`."""
    from tests.runtime import tiny_model
    from tests.runtime.video.clips import encode, steady

    tiny_model.write_bundle(tmp_path / "model-fp16")
    encode(tmp_path / "clip.mkv", steady(4), size=(60, 96))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _drawing(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    names: Namespace = {}
    yield names
    assert names["picture"].shape == names["frame"].image.shape
    names["session"].close()


def _streams(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    from stc.runtime import Session
    from tests.runtime import tiny_model

    a, b = tiny_model.frame((0, (8, 12, 40, 44))), tiny_model.frame((1, (60, 8, 90, 30)))
    with Session("model-fp16") as session:
        names: Namespace = {"session": session, "result": session.stream()(a), "frames": [a, b], "a": a, "b": b}
        yield names
        assert [len(result.boxes) for result in names["results"].values()] == [1, 1]


def _in_flight(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    from collections import deque

    from stc.runtime import Session
    from tests.runtime import tiny_model

    frames, used = [tiny_model.frame((0, (8, 12, 40, 44)))] * 6, []
    with Session("model-fp16", threads=1) as session:
        yield {"session": session, "frames": frames, "deque": deque, "use": used.append}
    assert [result.track_ids.tolist() for result in used] == [[1]] * 3, "the last three still wait"


def _tracking(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    from stc.runtime import Session
    from tests.runtime import tiny_model

    frame = tiny_model.frame((0, (8, 12, 40, 44)))
    names: Namespace = {"Session": Session, "frames": [frame, frame], "frame": frame}
    yield names
    assert names["result"].track_ids.tolist() == [1]
    names["session"].close()


def _source(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    names: Namespace = {"url": "clip.mkv"}
    yield names
    assert (
        names["frame"].index == 3 and len(names["result"].boxes) == 0
    )  # the last frame; the square is none of its colours
    names["session"].close()


def _counting(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    """Called here: that results pass between processes is tested where they are made."""
    from queue import SimpleQueue

    from stc.runtime import Session
    from tests.runtime import tiny_model

    names: Namespace = {}
    yield names
    results, counts = SimpleQueue[object](), SimpleQueue[dict[str, int]]()
    with Session("model-fp16") as session:
        results.put(session.stream("gate")(tiny_model.frame((0, (8, 12, 40, 44)))))
    results.put(None)
    names["count"](results, counts)
    found = counts.get_nowait()
    assert sum(found.values()) == 1 and list(found) == list(session.passport.classes)


def _sinks(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    from stc.runtime import Session
    from stc.runtime.video import open_source

    seen: list[int] = []
    with Session("model-fp16") as session, open_source("clip.mkv") as source:
        yield {
            **{"Path": Path, "source": source, "stream": session.stream("gate")},
            "alarm": lambda frame, result: seen.append(frame.index),
        }
    assert seen == [0, 1, 2, 3]
    assert len(Path("gate.jsonl").read_text().splitlines()) == 4
    assert Path("gate.mp4").stat().st_size > 0


def _live_view(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """At a port that is free."""
    from stc.runtime import Session
    from stc.runtime.serving import live_view

    real, seen = live_view.live_view, []

    @contextmanager
    def anywhere(address: str) -> Iterator[live_view.LiveView]:
        with real("0") as view:
            yield view
            seen.append((address, [(feed.name, feed.now.number) for feed in view.feeds if feed.now]))

    request.getfixturevalue("monkeypatch").setattr(live_view, "live_view", anywhere)
    with Session("model-fp16") as session:
        yield {"session": session, "url": "clip.mkv"}
    assert seen == [("8080", [("gate", 4)])]


def _walk(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    """An object of the tiny model that walks to the right, over the line of the page."""
    from stc.runtime import Session, Style
    from stc.runtime.video import Frame
    from tests.runtime import tiny_model

    frames = [
        Frame(tiny_model.frame((0, (x, 12, x + 20, 44))), time=i / 25, index=i, source="clip.mkv")
        for i, x in enumerate(range(2, 42, 4))
    ]
    with Session("model-fp16") as session:
        names: Namespace = {"source": frames, "stream": session.stream("gate"), "Style": Style}
        yield names
    assert len(names["result"]) == 1 and names["result"].track_ids.tolist() == [1]
    if "zones" in names:
        assert [zone.entered for zone in names["result"].zones] == [1, 1]
    else:
        assert names["picture"].shape == names["frame"].image.shape and len(names["faces"]) == 1


def _engine(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """On the pretended GPU of the tests."""
    from stc.runtime import Session
    from tests.runtime import tiny_model

    folder = request.getfixturevalue("engine")
    with Session(folder / "engine.plan") as session:
        names = {"session": session, "frames": np.stack([tiny_model.frame((0, (8, 12, 40, 44)))] * 2)}
        yield names
        assert names["outputs"]["masks"].shape[0] == 2


def _whole_frame(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """On the pretended GPU, with the kernels in NumPy."""
    from stc.runtime import Session
    from stc.runtime.backends.tensorrt.resident import kernels
    from tests.runtime import tiny_model
    from tests.runtime.backends.tensorrt.other_library import SpeaksDlPack
    from tests.runtime.backends.tensorrt.resident.fake_kernels import FakeKernels

    gpus, folder = request.getfixturevalue("gpus"), request.getfixturevalue("engine")
    found = kernels.Kernels(FakeKernels(gpus.cuda), "libfake.so")
    request.getfixturevalue("monkeypatch").setattr(kernels, "find", lambda here: found)
    frame = SpeaksDlPack(gpus.cuda, tiny_model.frame((0, (8, 12, 40, 44)), size=(120, 192)), stream=1)
    with Session(folder / "engine.plan") as session:
        names = {"stream": session.stream(), "frame": frame}
        yield names
        assert names["words"].shape == (1, 120, 6) and names["areas"] > 0 and names["boxes"].shape == (1, 4)


def _surface(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    from stc.runtime import DeviceFrame

    names: Namespace = {"surface": object(), "DeviceFrame": DeviceFrame}
    yield names
    assert names["frame"].layout == "nv12"


def _workers(_: pytest.FixtureRequest) -> Iterator[Namespace]:
    from stc.runtime import Session

    names: Namespace = {"Session": Session, "names": ["gate-1", "gate-2"]}
    yield names
    assert names["session"].workers == 4 and [stream.name for stream in names["streams"]] == names["names"]


# How each block is prepared and what must be true after it, or why it cannot run here. Numbers count a page's blocks.
PYTHON: dict[str, Callable[[pytest.FixtureRequest], Iterator[Namespace]] | str] = {
    "README.md 1": _drawing,
    "README.md 2": _streams,
    "docs/gstreamer.md 1": "needs GStreamer: tests/runtime/gstreamer/in_track.py runs it where that is",
    "docs/live-view.md 1": _live_view,
    "docs/pipelines.md 1": _source,
    "docs/pipelines.md 2": _counting,
    "docs/pipelines.md 3": _sinks,
    "docs/pipelines.md 4": _walk,
    "docs/pipelines.md 5": _walk,
    "docs/running-engines.md 1": _engine,
    "docs/running-engines.md 2": "hands over GPU memory: needs a GPU",
    "docs/running-engines.md 3": _whole_frame,
    "docs/running-engines.md 4": _surface,
    "docs/tracking.md 1": _tracking,
    "docs/tracking.md 2": _in_flight,
    "docs/threads.md 1": _workers,
}
# tests/test_contributing.py, tests/test_coming_from.py, tests/test_tutorials.py
BY_OTHER_TESTS = {"CONTRIBUTING.md", "docs/coming-from.md", *(page for page in PAGES if "/tutorials/" in page)}


def test_every_python_block_is_in_the_table() -> None:
    pages = [page for page in PAGES if page not in BY_OTHER_TESTS]
    assert {f"{page} {n}" for page in pages for n, _ in enumerate(blocks(page, "python"), 1)} == PYTHON.keys()


@pytest.mark.parametrize("block", PYTHON)
def test_the_python_block_runs(block: str, request: pytest.FixtureRequest) -> None:
    prepare = PYTHON[block]
    if isinstance(prepare, str):
        pytest.skip(prepare)
    page, number = block.rsplit(" ", 1)
    code = compile(blocks(page, "python")[int(number) - 1], block, "exec")
    request.getfixturevalue("place")
    prepared = prepare(request)
    exec(code, names := next(prepared))
    assert names
    assert list(prepared) == []


# -- Commands ----------------------------------------------------------------------------------------------------------


class Parsed(Exception):  # noqa: N818  (no error: how a command is stopped once it has read its arguments)
    """A command has parsed its arguments."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def start(command: str) -> None:
    """`stc-…`, or `python -m MODULE`, on the arguments in `sys.argv`."""
    if command in mains():
        importlib.import_module(mains()[command]).entry()
    else:
        runpy.run_module(command, run_name="__main__")


def help_of(command: str, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str] | None = None) -> str:
    """The help of a command that was given `arguments` and accepted them; None: not even looked at."""
    real = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> NoReturn:
        if arguments is not None:
            real(self, argv)
        raise Parsed(self)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", [command, *(arguments or [])])
    with pytest.raises(Parsed) as stopped:
        start(command)
    return stopped.value.parser.format_help()


def commands() -> list[tuple[str, str]]:
    """(page, command line) of every shell block, lines joined and comments left out; and those of a table."""
    lines = [
        (page, re.sub(r"\s+#.*", "", line).strip())
        for page in PAGES
        for block in blocks(page, "", "sh", "bash", "console")
        for line in re.sub(r"\\\n", " ", block).splitlines()
    ]
    lines += [("docs/coming-from.md", line) for line in answers()]
    return [(page, line) for page, line in lines if re.match(r"(\S+/)?stc-\w+\s|(\S+/)?python3? -m stc\.", line + " ")]


def spans() -> list[tuple[str, str]]:
    """(page, text) of every command with options in running text."""
    found = []
    for page in PAGES:
        text = re.sub(r"^[ ]*```.*?^[ ]*```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
        found += [(page, " ".join(span.split())) for span in re.findall(r"`([^`]+)`", text)]
    return [(p, s) for p, s in found if re.match(r"(stc-(?!trt)\w+|python -m stc\.[\w.]+) .*--", s)]


def split(line: str) -> tuple[str, list[str]]:
    words = shlex.split(line)
    command = words.pop(0).rpartition("/")[2]
    if command.startswith("python"):
        _, command = words.pop(0), words.pop(0)
    return command, words


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 40
    assert len(spans()) > 20
    assert mains().keys() == {"stc-export", "stc-track", "stc-bench", "stc-eval", "stc-train", "stc-doctor"}


@pytest.mark.parametrize(("page", "line"), commands())
def test_the_command_parses(page: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands; where the line shows what may be left out, or a variable, its options exist."""
    if re.search(r"[\[…$]", line):
        known = options(help_of(split(line)[0], monkeypatch))
        assert options(line) <= known
    else:
        command, arguments = split(line)
        help_of(command, monkeypatch, arguments)


@pytest.mark.parametrize(("page", "span"), spans())
def test_options_named_in_running_text_exist(page: str, span: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = re.sub(r"^python -m ", "", span).split()[0]
    assert options(span) <= options(help_of(command, monkeypatch)) | {"--help"}


def options(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def test_a_wrong_option_would_be_seen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        help_of("stc-export", monkeypatch, ["--ckpt", "m.pth", "--fp17"])
    assert "unrecognized arguments: --fp17" in capsys.readouterr().err


# -- Links and places --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """To files that are there, and to headings of Markdown files."""
    text = re.sub(r"^[ ]*```.*?^[ ]*```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        name, _, heading = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if heading:
            assert heading in headings(path), f"{page}: {target}"


def headings(path: Path) -> set[str]:
    """As GitHub makes anchors of them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_places_in_the_tree_that_a_page_names_are_there(page: str) -> None:
    """Paths in running text, from the root or from the page's own folder; NAME stands for any."""
    text = re.sub(r"^[ ]*```.*?^[ ]*```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    tops = "model|training|export|plugins|runtime|benchmarks|stc|tests|docs|examples|scripts|assets"
    native = "include|cpu|cuda|tensorrt|triton"
    for place in re.findall(rf"`((?:{tops}|{native})/[\w./-]+)(?<!\.so)`", text):
        found = [folder / place for folder in (ROOT, (ROOT / page).parent) if (folder / place).exists()]
        assert found or "NAME" in place, f"{page}: {place}"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    folder = ROOT / "docs"
    found = [*folder.glob("*.md"), *folder.glob("tutorials/*.md"), *folder.glob("tutorials/*.ipynb")]
    pages = [path.relative_to(folder) for path in found if path.name != "README.md"]
    assert [str(page) for page in pages if f"({page})" not in index] == []


def test_every_package_says_in_a_sentence_what_it_is_for() -> None:
    folders = ("stc", "model", "training", "export", "runtime", "benchmarks")
    rooms = [path for folder in folders for path in (ROOT / folder).rglob("__init__.py")]
    assert len(rooms) > 10
    assert [str(path.relative_to(ROOT)) for path in rooms if not ast.get_docstring(ast.parse(path.read_text()))] == []
