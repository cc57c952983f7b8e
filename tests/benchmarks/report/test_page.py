"""The page: complete, self-contained, and safe with any name."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stc.benchmarks.main import main
from stc.benchmarks.timing.intervals import figures
from stc.cli import run
from tests.benchmarks.proven import prove
from tests.runtime import tiny_model

VOID = {"meta", "img", "rect", "line", "path", "br"}


class Page(HTMLParser):
    """Checks that elements are closed in order; keeps texts by element, and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.elements: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the tiny model beside itself, in a folder whose name is no good HTML."""
    folder = tmp_path_factory.mktemp("page")
    bundle = prove(tiny_model.write_bundle(folder / "<b>&amp"))
    assert run(main, [str(bundle), f"{bundle}/model.onnx", "--frames", "8", "--html", str(folder / "r.html")]) == 0
    return (folder / "r.html").read_text(encoding="utf-8")


def test_every_part_is_there(text: str) -> None:
    page = Page(text)
    assert page.texts["h2"] == [
        "Side by side",
        "Stages",
        "Distribution of the end-to-end times",
        "Every frame, in the order of measurement",
        "Agreement with PyTorch",
        "Where they agree least",
        "What it was measured on",
    ]
    assert page.elements.count("article") == 2
    assert page.elements.count("svg") == 4  # a distribution and a timeline each
    assert page.elements.count("img") == 12  # the six worst instances each
    assert "few frames" in "".join(page.texts["li"])
    assert "masks: COCO RLE at frame size" in text


def test_every_sample_is_drawn(text: str) -> None:
    """One dot per frame in the timeline, and the counts of the captions."""
    frames = [int(count) for count in re.findall(r'aria-label="[^"]*: (\d+) samples', text)]
    dots = [path.count("M") for path in re.findall(r'class="dots [^"]*" d="([^"]*)"', text)]
    assert dots == frames


def test_it_refers_to_nothing_else(text: str) -> None:
    page = Page(text)
    assert not {"script", "link", "iframe", "object"} & set(page.elements)
    addresses = [value for _, name, value in page.attributes if name in {"src", "href"}]
    assert addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert "url(" not in text
    assert "@import" not in text


def test_names_are_escaped(text: str) -> None:
    assert "<b>&amp" not in text
    assert any("<b>&amp" in heading for heading in Page(text).texts["h3"])


def test_it_is_made_for_narrow_screens_and_paper(text: str) -> None:
    assert ("meta", "content", "width=device-width, initial-scale=1") in Page(text).attributes
    assert "@media print" in text


def test_numbers_are_those_of_the_report(tmp_path: Path) -> None:
    import json

    bundle = prove(tiny_model.write_bundle(tmp_path / "bundle"))
    page, report = tmp_path / "r.html", tmp_path / "r.json"
    run(main, [str(bundle), "--frames", "8", "--html", str(page), "--json", str(report)])
    values = json.loads(report.read_text())
    words = page.read_text(encoding="utf-8")
    assert f"{figures(values['fps'])}<small> FPS end to end" in words
    assert f"end to end p50 {figures(values['stages']['end_to_end']['p50_ms'])} ms" in words
    for stage, percentiles in values["stages"].items():
        row = "".join(
            f"<td>{figures(percentiles[name])}</td>" for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms", "mean_ms")
        )
        assert row in words, stage
