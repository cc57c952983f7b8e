"""The release script before it builds anything, and what of a release can be seen without one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import stc

ROOT = Path(__file__).parents[2]
HOME = "https://example.org/owner/stc"


def git(folder: Path, *arguments: str) -> None:
    options = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the script looks at before it builds; committed, tagged, with a change log."""
    for name in ("scripts/release.sh", "stc/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "CHANGELOG.md").write_text(f"## [{stc.__version__}] - 2026-01-01\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "all")
    git(tmp_path, "tag", f"v{stc.__version__}")
    return tmp_path


def release(checkout: Path, *arguments: str) -> tuple[int, str]:
    # A Python that fails stands for "goes on": every check was passed by then.
    environment = os.environ | {"PYTHON": "false"}
    done = subprocess.run(
        ["sh", "scripts/release.sh", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_clean_tagged_checkout_goes_on_to_build(checkout: Path) -> None:
    assert release(checkout, HOME) == (1, "")


@pytest.mark.parametrize("home", [(), ("example.org",), ("http://example.org",)])
def test_an_address_is_needed_for_the_links(checkout: Path, home: tuple[str, ...]) -> None:
    code, told = release(checkout, *home)
    assert code == 1 and told.startswith("error: where are the sources?")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "extra").touch(), "changes of its own"),
        (lambda folder: (folder / "stc/__init__.py").write_text('__version__ = "9.9.9"\n'), "changes of its own"),
        (lambda folder: git(folder, "tag", "-d", f"v{stc.__version__}"), f"is not v{stc.__version__}"),
        (lambda folder: git(folder, "commit", "--allow-empty", "-m", "later"), f"is not v{stc.__version__}"),
    ],
)
def test_what_is_not_the_tag_is_not_released(checkout: Path, change: object, told: str) -> None:
    change(checkout)  # type: ignore[operator]
    code, said = release(checkout, HOME)
    assert code == 1 and said.startswith("error: ") and told in said


def test_a_version_without_a_section_is_not_released(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("## [Unreleased]\n")
    git(checkout, "commit", "-am", "no section")
    git(checkout, "tag", "-f", f"v{stc.__version__}")
    assert "no section" in release(checkout, HOME)[1]


def test_earlier_files_are_not_mixed_with_new_ones(checkout: Path) -> None:
    (checkout / ".git/info/exclude").write_text("dist\n")
    (checkout / "dist").mkdir()
    assert "dist/ is there already" in release(checkout, HOME)[1]


def test_links_of_the_description_lead_to_the_sources_of_the_release() -> None:
    """As a package index shows it, which has none of the pages beside it."""
    home = f"{HOME}/blob/v1.2.3"
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "--long-description", "--url"],
        cwd=ROOT,
        env=os.environ | {"STC_HOME": home},
        capture_output=True,
        text=True,
        check=True,
    )
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", done.stdout)
    assert len(links) == len(re.findall(r"\]\(([^)]+)\)", readme)) > 10
    assert not [link for link in links if not link.startswith(("https://", "#"))]
    assert f"]({home}/ARCHITECTURE.md)" in done.stdout
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", done.stdout)
    assert all(picture.startswith((f"{HOME}/raw/v1.2.3/", "https://")) for picture in pictures)


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == stc.__version__
    assert citation["preferred-citation"]["url"].endswith("2202.03747")


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_an_issue_form_asks_for_commands_that_exist(form: Path) -> None:
    asked = yaml.safe_load(form.read_text())
    assert asked["name"] and asked["description"] and asked["body"]
    for script in re.findall(r"scripts/\w+\.sh", form.read_text()):
        assert (ROOT / script).is_file()
