"""`make docs`: every page and link holds, every public name is explained, and a reader's machine asks nobody else."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.pages import PAGES, ROOT
from tests.test_promises import PUBLIC

pytestmark = pytest.mark.slow
LOADED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "use": "href",
}


class Page(HTMLParser):
    """What a page loads, where its links lead, and the places in it that can be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        self.places |= {told["id"]} if "id" in told else set()
        if (name := LOADED.get(tag)) in told and told.get("rel") != "canonical":
            self.loaded.append(told[name])
        if tag == "a" and "href" in told:
            self.links.append(told["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(package, reason="pip install 'stc-trt[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_document_is_a_page(site: Path) -> None:
    built = {page: site / re.sub(r"README\.md$", "index.md", page).replace(".md", ".html") for page in PAGES}
    assert [page for page, path in built.items() if not path.is_file()] == []


def test_tables_and_lists_became_some(site: Path) -> None:
    """What Markdown's readers understand differently."""
    text = (site / "docs/checkpoints.html").read_text(encoding="utf-8")
    assert "<code>--backbone-style msra|torchvision</code></td>" in text
    for path in site.rglob("*.html"):
        parts = re.findall(r"<p>(.*?)</p>", path.read_text(encoding="utf-8"), re.DOTALL)
        assert [part for part in parts if re.search(r"```|\n\|.*\||\n[-*] ", part)] == [], path.name


def test_every_public_name_is_explained(site: Path, pages: dict[Path, Page]) -> None:
    for package, names in PUBLIC.items():
        page = site / f"docs/reference/{package}.html"
        assert {f"{package}.{name}" for name in names.split()} <= pages[page].places
        assert page.read_text(encoding="utf-8").count("doc-contents") >= len(names.split())


def test_links_lead_to_pages_files_and_headings_of_the_site(pages: dict[Path, Page]) -> None:
    missing = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or path.name == "404.html":  # that one may be shown for any address
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target / "index.html" if target.is_dir() else target
            known = pages.get(there)
            if not there.is_file() or (parts.fragment and known and unquote(parts.fragment) not in known.places):
                missing.append(f"{path.name}: {link}")
    assert missing == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert [(path.name, url) for path, page in pages.items() for url in page.loaded if urlsplit(url).netloc] == []
    styles = {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    assert (
        styles
        and [name for name, text in styles.items() if re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text)] == []
    )
