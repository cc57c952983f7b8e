"""`stc-eval --write-results`: the file that a challenge server takes, of data whose annotations are hidden too."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stc.benchmarks.evaluation import predict
from stc.benchmarks.evaluation.main import main
from stc.cli import run
from tests.benchmarks.evaluation.test_main import CLIPS, LENGTH, SIZE, data, edit

__all__ = ["data"]  # the fixture


def command(data: Path, result: str, *more: str) -> list[str]:
    return [
        *("--model", str(data / "bundle"), "--data", str(data / "annotations.json")),
        *("--frames", str(data / "frames"), "--write-results", str(data / result), *more),
    ]


def hide(data: Path, how: str) -> None:
    edit(data, lambda content: content.pop("annotations") if how == "no key" else content.update(annotations=None))


def entries(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("how", ["no key", "null"])
def test_hidden_annotations_are_no_obstacle(data: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As YouTube-VIS publishes its validation sets: of 2019 without the key, of 2021 with null."""
    hide(data, how)
    assert run(main, command(data, "results.json")) == 0
    assert "not scored" in capsys.readouterr().out
    (found,) = entries(data / "results.json")
    assert set(found) == {"video_id", "category_id", "score", "segmentations"}
    assert (found["video_id"], found["category_id"]) == (1, 7), "ids of the data set, not the model's"
    assert len(found["segmentations"]) == LENGTH
    assert all(rle is None or (rle["size"] == list(SIZE) and isinstance(rle["counts"], str)) for rle in
               found["segmentations"])  # fmt: skip
    assert not list(data.glob("results.json.*")), "the folder of finished videos goes"


def test_the_written_file_scores_as_the_model_does(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, command(data, "results.zip", "--json", str(data / "model.json"))) == 0
    direct = capsys.readouterr().out
    again = ["--results", str(data / "results.zip"), "--data", str(data / "annotations.json")]
    assert run(main, [*again, "--json", str(data / "file.json")]) == 0
    assert capsys.readouterr().out == direct
    assert (data / "file.json").read_text() == (data / "model.json").read_text()


def test_a_zip_holds_results_json_and_equal_runs_are_equal_files(data: Path) -> None:
    for name in ("a.zip", "b.zip", "c.json"):
        assert run(main, command(data, name)) == 0
    assert (data / "a.zip").read_bytes() == (data / "b.zip").read_bytes()
    with zipfile.ZipFile(data / "a.zip") as archive:
        assert archive.namelist() == ["results.json"]
        assert archive.read("results.json") == (data / "c.json").read_bytes()


def test_an_interrupted_run_goes_on_behind_the_videos_it_finished(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(main, command(data, "whole.json")) == 0
    ran: list[str] = []
    original = predict.predict

    def interrupted(session: Any, video: Any, *rest: Any) -> Any:
        ran.append(video.name)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return original(session, video, *rest)

    monkeypatch.setattr(predict, "predict", interrupted)
    assert run(main, command(data, "broken.json")) == 130
    assert not (data / "broken.json").exists()
    assert run(main, command(data, "broken.json")) == 0
    assert ran == [CLIPS[0], CLIPS[1], CLIPS[1]], "the finished one is not run again"
    assert (data / "broken.json").read_bytes() == (data / "whole.json").read_bytes()


@pytest.fixture
def killed(data: Path) -> Iterator[Path]:
    """A run that was killed in its second video."""
    program = (
        "import os, signal, sys\nfrom stc.benchmarks.evaluation import predict\n"
        "from stc.benchmarks.evaluation.main import main\n"
        "original, ran = predict.predict, []\n"
        "def once(*arguments):\n"
        "    if ran: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    ran.append(1)\n"
        "    return original(*arguments)\n"
        "predict.predict = once\nmain(sys.argv[1:])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *command(data, "results.json")], check=False)
    assert done.returncode == -9
    yield data


def test_other_settings_start_anew(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(entry.name for entry in (killed / "results.json.videos").iterdir()) == ["1.jsonl", "run.json"]
    ran: list[str] = []
    original = predict.predict
    monkeypatch.setattr(predict, "predict", lambda *a: ran.append(a[1].name) or original(*a))  # type: ignore[func-returns-value]
    assert run(main, command(killed, "results.json", "--tracker", "crossvis")) == 0
    assert ran == list(CLIPS)


def test_what_is_no_folder_of_a_run_is_left_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "results.json.videos").mkdir()
    (data / "results.json.videos" / "holiday.mp4").write_bytes(b"precious")
    assert run(main, command(data, "results.json")) == 1
    assert "something else" in capsys.readouterr().err
    assert (data / "results.json.videos" / "holiday.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["results.txt", "results", "-"])
def test_names_of_no_result_file_are_refused_before_the_work(
    data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(data, name)
    arguments[arguments.index("--write-results") + 1] = name if name == "-" else str(data / name)
    assert run(main, arguments) == 1
    assert "give NAME.json, or NAME.zip" in capsys.readouterr().err


def test_scores_of_hidden_annotations_cannot_be_asked_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hide(data, "null")
    assert run(main, command(data, "results.json", "--json", str(data / "scores.json"))) == 1
    assert "leave out --json" in capsys.readouterr().err


@pytest.mark.parametrize("members", [{}, {"a.json": "[]", "b.json": "[]"}, {"results.json": "["}, {"r.txt": "[]"}])
def test_a_zip_of_anything_else_is_one_line(
    data: Path, members: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(data / "sub.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert run(main, ["--results", str(data / "sub.zip"), "--data", str(data / "annotations.json")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {data / 'sub.zip'}: ")


def test_a_damaged_zip_is_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "sub.zip").write_bytes(b"PK\x03\x04 and no more")
    assert run(main, ["--results", str(data / "sub.zip"), "--data", str(data / "annotations.json")]) == 1
    assert "zip cannot use it" in capsys.readouterr().err
