"""The rooms of the house: none too full, each says what it is, no two need each other, and tools see them all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.installs import ROOT, STUDIES

PACKAGES = sorted(init.parent for top in ROOT.glob("*/__init__.py") for init in top.parent.rglob("__init__.py"))
NATIVE = sorted({path.parent for path in (ROOT / "plugins").rglob("*.*")})
SOURCE = {".py", ".cpp", ".cu", ".cuh", ".h"}
MOST = 16


def name(path: Path) -> str:
    """`runtime/stream.py` -> "stc.runtime.stream"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in ("stc", *parts) if part != "__init__").replace("stc.stc", "stc", 1)


MODULES = {name(path): path for package in PACKAGES for path in package.glob("*.py")}


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports anywhere: in functions and for the type checker too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def graph() -> dict[str, set[str]]:
    """Every module and what it imports, but for packages that name what is in them."""
    packages = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    return {
        module: {other for other in imported(path) if other in MODULES and other not in packages}
        for module, path in MODULES.items()
        if module not in packages
    }


@pytest.mark.parametrize("folder", [*PACKAGES, *NATIVE], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_holds_few_enough_files_to_see_at_once(folder: Path) -> None:
    files = [path.name for path in folder.iterdir() if path.suffix in SOURCE and path.name != "__init__.py"]
    assert len(files) <= MOST, files


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_says_what_it_is(folder: Path) -> None:
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


def test_no_module_needs_one_that_needs_it() -> None:
    found = graph()
    assert sum(map(len, found.values())) > 500  # the graph is that of the whole house
    try:
        list(TopologicalSorter(found).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def in_study(module: str) -> bool:
    return any(module == study or module.startswith(study + ".") for study in STUDIES)


def test_nothing_that_ships_imports_a_study() -> None:
    assert set(STUDIES) <= set(MODULES)
    found = {module: set(imported(path)) for module, path in MODULES.items()}
    reaches = [(module, other) for module, others in found.items() for other in others if in_study(other)]
    assert [pair for pair in reaches if not in_study(pair[0])] == []
    assert reaches  # of each other they do


def test_all_that_only_studies_need_is_with_them() -> None:
    """A module that ships is a program, or another that ships imports it, or names it as one to load."""
    found = graph()
    programs = {
        module
        for module in found
        if 'if __name__ == "__main__"' in (text := MODULES[module].read_text(encoding="utf-8"))
        or module.endswith("__main__")
        or re.search(r"^(def entry\(|entry = )", text, re.MULTILINE)
    }
    ships = {module for module in MODULES if not in_study(module)}
    texts = "".join(MODULES[module].read_text(encoding="utf-8") for module in ships)
    needed = set().union(*(found[module] for module in ships & set(found)))
    alone = ships & set(found) - needed - programs
    assert {module for module in alone if module not in texts} == set()


def test_the_links_in_stc_are_the_top_level_packages() -> None:
    links = {path.name: path.resolve() for path in (ROOT / "stc").iterdir() if path.is_symlink()}
    tops = {init.parent.name: init.parent for init in ROOT.glob("*/__init__.py") if init.parent.name != "stc"}
    assert links == tops


def test_what_a_wish_names_is_in_the_files_beside_it() -> None:
    """Of the table in ARCHITECTURE.md; that the files are there is a test of all documents (test_docs.py)."""
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Where a wish is granted")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) == 17
    for row in rows:
        quoted = re.findall(r"`([\w/.]+)`", row)
        text = "".join((ROOT / path).read_text(encoding="utf-8") for path in quoted if "/" in path)
        assert [word for word in quoted if re.fullmatch(r"\w+", word) and word not in text] == [], row
