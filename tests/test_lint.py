"""The type checker and the import contract see our packages: a planted violation is found.

Both follow the links in stc/. Without them they check nothing and report success.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """stc/ with its links, of which stc.runtime leads to a copy that a test may add to."""
    shutil.copytree(ROOT / "stc", tmp_path / "stc", symlinks=True)
    for link in [path for path in (tmp_path / "stc").iterdir() if path.is_symlink()]:
        (tmp_path / link.name).symlink_to(ROOT / link.name)
    (tmp_path / "runtime").unlink()
    shutil.copytree(ROOT / "runtime", tmp_path / "runtime", ignore=shutil.ignore_patterns("*.so", "*.ptx"))
    return tmp_path


def tool(name: str, checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_mypy_finds_a_planted_type_error(checkout: Path) -> None:
    (checkout / "runtime" / "planted.py").write_text("answer: int = 'forty-two'\n")
    found = tool("mypy", checkout, "--config-file", str(ROOT / "pyproject.toml"), "-m", "stc.runtime.planted")
    assert found.returncode == 1, found.stderr
    assert "planted.py:1: error: Incompatible types in assignment" in found.stdout


def test_import_linter_finds_a_planted_upward_import(checkout: Path) -> None:
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    assert tool("lint-imports", checkout, *config, PYTHONPATH=str(checkout)).returncode == 0
    (checkout / "runtime" / "planted.py").write_text("import stc.export.bundle\n")
    found = tool("lint-imports", checkout, *config, PYTHONPATH=str(checkout))
    assert found.returncode == 1, found.stderr
    assert "stc.runtime.planted -> stc.export.bundle" in found.stdout
