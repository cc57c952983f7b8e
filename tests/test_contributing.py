"""The examples of CONTRIBUTING.md, applied to a copy of the product and executed there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("model", "training", "export", "runtime", "benchmarks")
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


@dataclass(frozen=True)
class Example:
    """The blocks of one section: whole files, changes of files, and programs."""

    files: dict[str, str]
    changes: dict[str, str]
    programs: list[str]


def example(title: str, page: str = PAGE) -> Example:
    section = re.search(rf"^### {title}\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)
    assert section, title
    found = Example({}, {}, [])
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL):
        head, _, body = text.partition("\n")
        if head.startswith("# file: "):
            (found.changes if language == "diff" else found.files)[head.removeprefix("# file: ")] = body
        else:
            assert head.startswith("# try it"), head
            found.programs.append(body)
    return found


def changed(text: str, change: str) -> str:
    """`text` after a change: " " lines are found, "-" lines found and removed, "+" lines put where that was."""
    lines, place = text.splitlines(), 0
    for line in change.splitlines():
        if line.startswith("+"):
            lines.insert(place, line[1:])
            place += 1
        elif line:
            assert lines.count(line[1:]) == 1, f"{line[1:]!r} is there {lines.count(line[1:])} times"
            place = lines.index(line[1:])
            if line.startswith("-"):
                del lines[place]
            else:
                place += 1
    return "\n".join(lines) + "\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The product's packages, as a wheel would hold them; the native library by a link."""
    ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.ptx")
    package = tmp_path / "product" / "stc"
    shutil.copytree(ROOT / "stc", package, ignore=lambda folder, names: {*ignore(folder, names), *FOLDERS, "assets"})
    for name in FOLDERS:
        shutil.copytree(ROOT / name, package / name, ignore=ignore)
    for library in (ROOT / "runtime").rglob("libstc_cpu.so"):
        (package / library.relative_to(ROOT)).symlink_to(library)
    return package


TITLES = ["A tracker rule", pytest.param("A backbone", marks=pytest.mark.slow), "A sink"]


@pytest.mark.parametrize("title", TITLES)
def test_the_example_works(title: str, copy: Path, tmp_path: Path) -> None:
    from tests.runtime import tiny_model
    from tests.test_examples import painted

    found = example(title)
    assert found.files and found.programs
    for name, text in found.files.items():
        target = copy / name
        assert not target.exists(), f"{name} is there already"
        assert target.parent.is_dir(), f"no folder for {name}"
        target.write_text(text)
    for name, change in found.changes.items():
        (copy / name).write_text(changed((copy / name).read_text(), change))
    model, clip = tiny_model.write_bundle(tmp_path / "model"), painted(tmp_path / "clip.mkv")
    for program in found.programs:
        arguments = [str(model), str(clip)] if "sys.argv" in program else []
        done = subprocess.run(
            [sys.executable, "-c", f"import stc\nassert stc.__path__ == [{str(copy)!r}]\n{program}", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(copy.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("title", ["A tracker rule", "A backbone", "A sink"])
def test_new_files_are_as_ruff_wants_them(title: str, tmp_path: Path) -> None:
    for name, text in example(title).files.items():
        path = tmp_path / Path(name).name
        path.write_text(text)
        for check in (["check", "--ignore", "INP001"], ["format", "--check"]):
            command = [sys.executable, "-m", "ruff", *check, "--config", str(ROOT / "pyproject.toml"), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout
