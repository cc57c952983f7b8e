"""What mkdocs makes a site of: the documents where they stand in the repository, so that their links hold in both.

Beside them come the files that they link to, the notebooks as pages, and a reference of the public names. The order of
the pages is that of docs/README.md.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files

from stc import umbrella

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).parents[1]
INDEX = "docs/README.md"
AROUND = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
ROOMS = ("plugins/README.md", "benchmarks/README.md", "assets/README.md")
PUBLIC = ("stc.runtime", "stc.runtime.video", "stc.runtime.zones", "stc.export")
ENTRY = re.compile(r"\*\*(.+?)\*\*|\[([^\]]+)\]\(([^)]+)\)")  # a heading, or a link
COMMANDS = "docs/reference/commands.md"
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")


os.environ["COLUMNS"] = "100"  # of the commands' help, on any machine


def on_config(config: MkDocsConfig) -> None:
    """The navigation: what the index of the documents lists, in its order and under its headings."""
    chapters: dict[str, list[dict[str, str]]] = {}
    for heading, title, target in ENTRY.findall((ROOT / INDEX).read_text(encoding="utf-8")):
        if heading:
            chapters[heading] = []
        else:
            name = title.replace("`", "")
            chapters[[*chapters][-1]].append({name[0].upper() + name[1:]: page_of(Path(INDEX).parent / target)})
    reference = [{"Commands": COMMANDS}, *({package: f"docs/reference/{package}.md"} for package in PUBLIC)]
    *using, changing = ({heading: pages} for heading, pages in chapters.items())
    config.nav = [{"stc": "README.md"}, {"Documents": INDEX}, *using, {"Reference": reference}, changing]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The theme's own files, and ours under their paths in the repository."""
    pages = [*AROUND, *ROOMS, *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))]
    linked = {found for page in pages for found in targets(page)} - {*pages}
    ours = [File.generated(config, name, abs_src_path=str(ROOT / name)) for name in (*pages, *sorted(linked))]
    ours += [File.generated(config, "docs/site.css", abs_src_path=str(ROOT / "docs/site.css"))]
    made = {page_of(Path(name)): as_page(ROOT / name) for name in linked if name.endswith(".ipynb")}
    made |= {f"docs/reference/{package}.md": reference(package) for package in PUBLIC} | {COMMANDS: commands()}
    ours += [File.generated(config, name, content=text) for name, text in made.items()]
    return Files([*(file for file in files if file.src_dir != config.docs_dir), *ours])


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to a notebook lead to its page."""
    return re.sub(r"(\]\([^)\s]+)\.ipynb\)", r"\1.md)", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """A bar in the code of a table, which GitHub wants to be escaped, is shown as one."""
    return re.sub(r"<td.*?</td>", lambda cell: cell[0].replace(r"\|", "|"), html, flags=re.DOTALL)


def page_of(path: Path) -> str:
    """The page that a notebook or a document is, by its path in the repository."""
    inside = (ROOT / path).resolve().relative_to(ROOT)
    return (inside.with_suffix(".md") if inside.suffix == ".ipynb" else inside).as_posix()


def targets(page: str) -> set[str]:
    """The files that a page links to, by their paths in the repository."""
    path = ROOT / page
    found = {(path.parent / target).resolve() for target in LINK.findall(path.read_text(encoding="utf-8"))}
    return {place.relative_to(ROOT).as_posix() for place in found if place.is_file()}


def as_page(notebook: Path) -> str:
    """Its cells in order, those of code fenced, and where the notebook itself is."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = [("".join(cell["source"]), cell["cell_type"]) for cell in cells]
    parts = [text if kind == "markdown" else f"```python\n{text}\n```" for text, kind in texts]
    return "\n\n".join([*parts, f'<a href="{notebook.name}" download>This page as a notebook</a>']) + "\n"


def reference(package: str) -> str:
    """A page of the names that a package promises; mkdocstrings reads what is said of them from the sources."""
    module = import_module(package)
    said = (module.__doc__ or "").partition(">>>")[0].strip()
    names = [f"::: {package}.{name}" for name in module.__all__]
    return "\n\n".join([f"# {package}", said, *names]) + "\n"


def commands() -> str:
    """A page of what each command answers to --help."""
    parts = ["# Commands", "All of them are one, too: `stc track` is `stc-track`."]
    for name in umbrella.COMMANDS:
        with redirect_stdout(StringIO()) as said, suppress(SystemExit):
            umbrella.main([name, "--help"])
        parts += [f"## stc-{name}", f"```\n{said.getvalue().rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"
