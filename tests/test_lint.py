"""The type checker and the import contract see our packages: a planted violation is found.

Both follow the mapping of setup.py through a tree of links only. Without it they check nothing and report success.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The tree of `make lint-tree`, with stc.runtime as a folder of links that a test may add to."""
    subprocess.run(["make", "-s", "-C", ROOT, "lint-tree", f"LINT={tmp_path}"], check=True)
    runtime = tmp_path / "stc" / "runtime"
    runtime.unlink()
    runtime.mkdir()
    for path in (ROOT / "runtime").iterdir():
        (runtime / path.name).symlink_to(path)
    return tmp_path


def tool(name: str, tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def test_mypy_finds_a_planted_type_error(tree: Path) -> None:
    (tree / "stc" / "runtime" / "planted.py").write_text("answer: int = 'forty-two'\n")
    config = str(ROOT / "pyproject.toml")
    found = tool("mypy", tree, "--config-file", config, "-m", "stc.runtime.planted", MYPYPATH=str(tree))
    assert found.returncode == 1, found.stderr
    assert "planted.py:1: error: Incompatible types in assignment" in found.stdout


def test_import_linter_finds_a_planted_upward_import(tree: Path) -> None:
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    assert tool("lint-imports", tree, *config, PYTHONPATH=str(tree)).returncode == 0
    (tree / "stc" / "runtime" / "planted.py").write_text("import stc.export.bundle\n")
    found = tool("lint-imports", tree, *config, PYTHONPATH=str(tree))
    assert found.returncode == 1, found.stderr
    assert "stc.runtime.planted -> stc.export.bundle" in found.stdout
