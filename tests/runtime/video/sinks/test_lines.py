"""Files of lines: whole after every line, continued, kept and rotated; and what they say of pipes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.runtime.video.sinks import lines as module
from stc.runtime.video.sinks.lines import LineFile, Rotation, set_aside
from tests.runtime.video.clips import left_over


def write(path: Path, *lines: str, **options: object) -> None:
    file = LineFile(path, **options)  # type: ignore[arg-type]
    for line in lines:
        file.write(line)
    file.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100MB", Rotation(size=100_000_000)),
        ("1.5 gb", Rotation(size=1_500_000_000)),
        ("1kB", Rotation(size=1000)),
        ("30min", Rotation(seconds=1800)),
        ("1h", Rotation(seconds=3600)),
        ("2d", Rotation(seconds=172_800)),
        ("90s", Rotation(seconds=90)),
    ],
)
def test_sizes_and_times(text: str, expected: Rotation) -> None:
    assert Rotation.parse(text) == expected


@pytest.mark.parametrize("text", ["", "100", "MB", "0MB", "-1h", "0.1s", "1m", "1 fortnight", "nan h", "1e3MB", "1hh"])
def test_other_sizes_and_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="give one such as 100MB or 1h"):
        Rotation.parse(text)


@pytest.mark.parametrize("torn", ["", '{"time": 0.03', "x" * 200_000])
def test_a_torn_line_is_cut_when_the_file_is_continued(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f"first\nsecond\n{torn}")
    write(path, "third", append=True)
    assert path.read_text() == "first\nsecond\nthird\n"


def test_a_file_of_one_torn_line_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("x" * 200_000)
    write(tmp_path / "t.jsonl", "first", append=True)
    assert (tmp_path / "t.jsonl").read_text() == "first\n"


def test_earlier_lines_get_the_next_free_number(tmp_path: Path) -> None:
    path = tmp_path / "a.b[1].jsonl"
    (tmp_path / "a.b[1].7.jsonl").write_text("old")
    (tmp_path / "a.b[1].x.jsonl").write_text("another's")
    (tmp_path / "axb[1].99.jsonl").write_text("another's")
    for text in ("one", "two", "three"):
        write(path, text)
    assert path.read_text() == "three\n"
    assert (tmp_path / "a.b[1].8.jsonl").read_text() == "one\n"
    assert (tmp_path / "a.b[1].9.jsonl").read_text() == "two\n"
    assert (tmp_path / "a.b[1].7.jsonl").read_text() == "old"


def test_an_empty_file_is_not_kept_and_a_missing_one_neither(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").touch()
    write(tmp_path / "t.jsonl", "one")
    assert left_over(tmp_path) == ["t.jsonl"] and set_aside(tmp_path / "none.jsonl") is None


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "t.jsonl").symlink_to(tmp_path / "disk" / "real.jsonl")
    write(tmp_path / "t.jsonl", "one")
    write(tmp_path / "t.jsonl", "two")
    assert (tmp_path / "t.jsonl").is_symlink() and left_over(tmp_path / "disk") == ["real.1.jsonl", "real.jsonl"]
    assert (tmp_path / "disk" / "real.jsonl").read_text() == "two\n"


def test_rotation_by_size_loses_no_line_and_never_exceeds_it(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    for start in (0, 50):  # a restart in the middle
        write(path, *(f"{i:09d}" for i in range(start, start + 50)), append=True, rotation=Rotation(size=95))
    names = [f"t.{i}.jsonl" for i in range(1, 12)] + ["t.jsonl"]
    assert sorted(left_over(tmp_path)) == sorted(names)
    assert all((tmp_path / name).stat().st_size <= 95 for name in names)
    assert [int(line) for name in names for line in (tmp_path / name).read_text().split()] == list(range(100))


def test_a_line_longer_than_the_size_has_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", "a", "b" * 50, "c", rotation=Rotation(size=10))
    assert [(tmp_path / name).read_text()[0] for name in ("t.1.jsonl", "t.2.jsonl", "t.jsonl")] == ["a", "b", "c"]


def test_rotation_by_time_follows_the_clock_also_over_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "t.jsonl", [7200.0 * 1000 + 3590]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    hourly = Rotation(seconds=3600)
    file = LineFile(path, rotation=hourly)
    for step in (0, 5, 10, 10, 3600):
        now[0] += step
        file.write(f"{now[0]:.0f}")
    file.close()
    assert [len((tmp_path / name).read_text().split()) for name in ("t.1.jsonl", "t.2.jsonl", "t.jsonl")] == [2, 2, 1]
    os.utime(path, (now[0], now[0]))
    now[0] += 60
    write(path, "same hour", append=True, rotation=hourly)
    assert len(path.read_text().splitlines()) == 2
    os.utime(path, (now[0], now[0]))
    now[0] += 3600
    write(path, "next hour", append=True, rotation=hourly)
    assert path.read_text() == "next hour\n" and len(left_over(tmp_path)) == 4


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """The limit of a file's size stands for that of the disk: a write gives a part of its bytes, and then an error."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = LineFile(tmp_path / "t.jsonl")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match=r"t\.jsonl: cannot be written"):
            for i in range(100):
                file.write(f"{i:029d}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        file.close()
    assert [int(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()] == list(range(33))
    assert (tmp_path / "t.jsonl").read_bytes().endswith(b"\n")


def test_the_time_of_the_clock_is_used(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", "now", rotation=Rotation(seconds=86_400))
    assert abs((tmp_path / "t.jsonl").stat().st_mtime - time.time()) < 60
