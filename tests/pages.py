"""The documents as tests read them: pages, fenced blocks, and the commands of the project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
PAGES += ["plugins/README.md", "benchmarks/README.md", "assets/README.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))


class Block(NamedTuple):
    """A fenced block: its language ("" for none), its lines, and the paragraph right above it."""

    language: str
    text: str
    above: str


def fenced(page: str) -> list[Block]:
    """The fenced blocks of a page in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text[: found.start()].rstrip().rpartition("\n\n")[2])
        for found in re.finditer(r"^[ ]*```(\w*)\n(.*?)^[ ]*```$", text, re.MULTILINE | re.DOTALL)
    ]


def blocks(page: str, *languages: str) -> list[str]:
    """The text of those in these languages."""
    return [block.text for block in fenced(page) if block.language in languages]


def mains() -> dict[str, str]:
    """Module of each console command, from pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(re.findall(r"^(stc-\w+) = \"([\w.]+):entry\"$", text, re.MULTILINE))


def answers() -> list[str]:
    """The lines and commands in the right column of docs/coming-from.md; single words and options are none."""
    text = (ROOT / "docs/coming-from.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| .* \| (.*) \|$", text, re.MULTILINE)
    spans = dict.fromkeys(span for cell in cells for span in re.findall(r"`([^`]+)`", cell))
    return [
        span for span in spans if not re.match(r"--|\.|\"|[\w-]+$|make |stc-track --version", span) and "…" not in span
    ]
