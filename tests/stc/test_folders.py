"""What is ours in a folder is replaced at once; what is anybody else's is there at every moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stc.folders
from stc.errors import InputError
from stc.folders import Folder, find, is_empty


def tree(folder: Path) -> dict[str, str | None]:
    """Relative name -> text of every file, None of every folder; links as what they say."""
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}"
        if path.is_symlink()
        else None
        if path.is_dir()
        else path.read_text()
        for path in folder.rglob("*")
    }


@pytest.fixture(params=["exchanged", "moved in"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways that folders are filled: where the system exchanges them in one step, and where it cannot."""
    if request.param == "moved in":

        def refuse(one: Path, other: Path) -> None:
            raise OSError(22, "Invalid argument")

        monkeypatch.setattr(stc.folders, "exchange", refuse)
    return str(request.param)


def fill(folder: Path, ours: set[str], new: dict[str, str], last: str = "passport") -> None:
    with Folder(folder, frozenset(ours)).filled(last) as made:
        for name, text in new.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text)


@pytest.mark.usefixtures("way")
def test_ours_is_replaced_and_all_else_stays(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for name in ("model", "plan", "deep/1/ours", "deep/1/theirs", "ours-only/a", "videos/a.mp4", ".hidden"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(f"old {name}")
    (target / "empty").mkdir()
    (target / "link").symlink_to("videos")
    video = (target / "videos/a.mp4").stat()
    fill(target, {"model", "plan", "deep/1/ours", "ours-only/a"}, {"model": "new", "deep/1/new": "new"})
    assert tree(target) == {
        "model": "new",
        "deep": None,
        "deep/1": None,
        "deep/1/new": "new",
        "deep/1/theirs": "old deep/1/theirs",
        "videos": None,
        "videos/a.mp4": "old videos/a.mp4",
        ".hidden": "old .hidden",
        "empty": None,
        "link": "-> videos",
    }
    after = (target / "videos/a.mp4").stat()
    assert (after.st_ino, after.st_mtime, after.st_nlink) == (video.st_ino, video.st_mtime, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.usefixtures("way")
def test_the_old_content_serves_until_the_new_one_is_whole_and_a_failure_leaves_it(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "model").write_text("old")
    with pytest.raises(RuntimeError), Folder(target, frozenset({"model"})).filled("model") as made:
        (made / "model").write_text("half")
        assert (target / "model").read_text() == "old"
        raise RuntimeError
    assert tree(tmp_path) == {"bundle": None, "bundle/model": "old"}


@pytest.mark.usefixtures("way")
def test_permissions_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir(mode=0o750)
    (tmp_path / "bundle/model").touch()
    fill(tmp_path / "bundle", {"model"}, {"model": "new"})
    assert (tmp_path / "bundle").stat().st_mode & 0o777 == 0o750


LOOK = """
import os, sys, time
end, seen = time.monotonic() + 2, set()
while time.monotonic() < end:
    folder = os.open(sys.argv[1], os.O_RDONLY)  # there is one at any moment
    try:
        texts = [open(os.open(name, os.O_RDONLY, dir_fd=folder)).read() for name in ("model", "passport")]
    except FileNotFoundError:
        continue  # the old one, which is being removed
    finally:
        os.close(folder)
    assert texts[0] == texts[1], texts
    seen.add(texts[0])
print(len(seen))
"""


def test_there_is_one_whole_bundle_at_every_moment(tmp_path: Path) -> None:
    """A process that looks all the time finds a folder always, and never files of different ages in it."""
    target = tmp_path / "bundle"
    fill(target, set(), {"model": "0", "passport": "0"})
    with subprocess.Popen([sys.executable, "-c", LOOK, target], stdout=subprocess.PIPE, text=True) as looker:
        count = 0
        while looker.poll() is None:
            count += 1
            fill(target, {"model", "passport"}, {"model": str(count), "passport": str(count)})
        assert looker.stdout is not None
        assert int(looker.stdout.read()) > 1
    assert looker.returncode == 0


def test_the_working_directory_is_filled_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").write_text("old")
    (tmp_path / "notes").write_text("mine")
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    fill(find(Path(), "-o DIR"), {"model"}, {"model": "new"})
    assert tree(tmp_path) == {"model": "new", "notes": "mine"}
    assert tmp_path.stat().st_ino == before == Path().stat().st_ino


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/model").write_text("old")
    (tmp_path / "link").symlink_to("real")
    fill(find(tmp_path / "link", "-o DIR"), {"model"}, {"model": "new"})
    assert tree(tmp_path) == {"real": None, "real/model": "new", "link": "-> real"}
    (tmp_path / "dangling").symlink_to("later")
    fill(find(tmp_path / "dangling", "-o DIR"), set(), {"model": "new"})
    assert (tmp_path / "later/model").read_text() == "new"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder mounted from elsewhere on the same disk, as a container has its volumes."""
    (tmp_path / "host").mkdir()
    (tmp_path / "inside/volume").mkdir(parents=True)
    command = ["mount", "--bind", tmp_path / "host", tmp_path / "inside/volume"]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield tmp_path / "inside/volume"
    subprocess.run(["umount", tmp_path / "inside/volume"], check=True)


def test_a_mounted_folder_is_filled_where_it_is(mounted: Path) -> None:
    (mounted / "model").write_text("old")
    (mounted / "notes").write_text("mine")
    fill(find(mounted, "-o DIR"), {"model"}, {"model": "new"})
    assert tree(mounted) == {"model": "new", "notes": "mine"}


def test_a_volume_within_the_folder_is_neither_moved_nor_emptied(mounted: Path) -> None:
    (mounted / "video.mp4").write_text("the only copy")
    (mounted.parent / "model").write_text("old")
    fill(find(mounted.parent, "-o DIR"), {"model"}, {"model": "new"})
    assert tree(mounted.parent) == {"model": "new", "volume": None, "volume/video.mp4": "the only copy"}
    assert tree(mounted.parent.parent)["host/video.mp4"] == "the only copy"


@pytest.mark.parametrize("name", ["-", "file", "file/below", "x" * 256, "loop"])
def test_what_cannot_be_a_folder_is_refused_before_the_work(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")
    with pytest.raises(InputError):
        find(Path(name), "-o DIR")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


def test_only_what_killed_processes_left_counts_as_nothing(tmp_path: Path) -> None:
    assert is_empty(tmp_path / "missing")
    assert is_empty(tmp_path)
    (tmp_path / ".stc-part-01234567").mkdir()
    assert is_empty(tmp_path)
    (tmp_path / "notes").touch()
    assert not is_empty(tmp_path)
