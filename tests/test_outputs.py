"""Every output option follows the one rule of stc/files.py. Those of stc-track are tested beside it."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stc.benchmarks.evaluation.main import main as evaluate
from stc.benchmarks.main import main as bench
from stc.benchmarks.trackers.__main__ import main as trackers
from stc.cli import run
from stc.export.main import main as export
from stc.model import checkpoint
from stc.runtime.track.main import main as track
from stc.training.plot import SHOWN
from stc.training.plot import main as plot
from tests.benchmarks.evaluation import scenes
from tests.benchmarks.proven import prove
from tests.runtime import tiny_model
from tests.runtime.video.clips import encode, steady
from tests.seeded import stc_lite_model

pytestmark = pytest.mark.slow  # five commands, a second each, six times

Command = Callable[[str], int]  # given the name of the output, the exit code


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    prove(tiny_model.write_bundle(folder / "bundle"))
    checkpoint.save(stc_lite_model(0), folder / "lite.safetensors")
    boxes = [(8, 8, 32, 32)] * 3
    truth = scenes.annotations((60, 96), [3], [{"video": 1, "category": 1, "boxes": boxes}], ("cat",))
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text("[]")
    (folder / "run").mkdir()
    with (folder / "run/log.csv").open("w", newline="") as log:
        csv.writer(log).writerows([["step", *SHOWN], *([n, *[0.5] * len(SHOWN)] for n in range(1, 9))])
    return folder


# Name, suffix that the format needs, how the content begins, arguments before the output.
OPTIONS = {
    "stc-eval --json": (evaluate, ".json", b"{", ["--results", "results.json", "--data", "truth.json", "--json"]),
    "stc-bench --json": (bench, ".json", b"{", ["bundle", "--frames", "2", "--json"]),
    "stc-bench --html": (bench, ".html", b"<!doctype html>", ["bundle", "--frames", "2", "--html"]),
    "stc-export --to-safetensors": (
        export,
        ".safetensors",
        b"",
        ["--ckpt", "lite.safetensors", "--to-safetensors"],
    ),
    "stc.training.plot -o": (plot, ".png", b"\x89PNG", ["run", "-o"]),
    "stc.benchmarks.trackers --json": (trackers, ".json", b"{", ["--seeds", "1", "--json"]),
}


@pytest.fixture(params=OPTIONS)
def option(request: pytest.FixtureRequest, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(inputs)
    return str(request.param)


def write(option: str, output: object) -> None:
    main, _, _, arguments = OPTIONS[option]
    assert run(main, [*arguments, str(output)]) in {0, 3}  # 3: so few frames prove little


def is_whole(option: str, content: bytes) -> bool:
    return len(content) > 100 and content.startswith(OPTIONS[option][2])


def test_a_link_is_followed(option: str, tmp_path: Path) -> None:
    name = f"real{OPTIONS[option][1]}"
    (tmp_path / name).write_text("old")
    (tmp_path / name).chmod(0o640)
    link = tmp_path / f"link{OPTIONS[option][1]}"
    link.symlink_to(name)
    write(option, link)
    assert link.is_symlink()
    assert is_whole(option, (tmp_path / name).read_bytes())
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.iterdir())) == 2


def test_a_pipe_is_written_through(option: str, tmp_path: Path) -> None:
    pipe = tmp_path / f"pipe{OPTIONS[option][1]}"
    os.mkfifo(pipe)
    with (tmp_path / "read").open("wb") as read, subprocess.Popen(["cat", pipe], stdout=read) as reader:
        write(option, pipe)
        reader.wait(timeout=30)
    assert is_whole(option, (tmp_path / "read").read_bytes())
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_through(option: str, tmp_path: Path) -> None:
    null = tmp_path / f"null{OPTIONS[option][1]}"
    null.symlink_to(os.devnull)
    write(option, null)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert null.is_symlink()


def test_the_longest_name_is_taken(option: str, tmp_path: Path) -> None:
    suffix = OPTIONS[option][1]
    path = tmp_path / ("n" * (255 - len(suffix)) + suffix)
    write(option, path)
    assert is_whole(option, path.read_bytes())
    assert list(tmp_path.iterdir()) == [path]


def test_stdout_gets_the_output_and_nothing_else(
    option: str, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    stdout = tmp_path / f"out{OPTIONS[option][1]}"
    stdout.symlink_to("/dev/stdout")
    for name in ("-", stdout) if OPTIONS[option][1] != ".safetensors" else (stdout,):
        write(option, name)
        sys.stdout.flush()
        content = capfdbinary.readouterr().out
        assert is_whole(option, content)
        if OPTIONS[option][1] == ".json":
            json.loads(content)


@pytest.mark.parametrize("name", ["folder", "file/below", "x" * 256])
def test_what_cannot_be_written_is_refused_before_the_work(
    option: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for work in (
        *("stc.benchmarks.main.compare", "stc.annotations.file.read_annotations", "stc.training.plot.read_log"),
        *("stc.benchmarks.trackers.__main__.measure", "stc.model.checkpoint.load"),
    ):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("the work had begun"))
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    main, _, _, arguments = OPTIONS[option]
    assert run(main, [*arguments, str(tmp_path / name)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("stc-eval --json", "truth.json"),
        ("stc-eval --json", "results.json"),
        ("stc-export --to-safetensors", "lite.safetensors"),
        ("stc.training.plot -o", "run/log.csv"),
    ],
)
def test_an_input_is_never_written_over(
    option: str, name: str, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(inputs)
    before = Path(name).read_bytes()
    main, _, _, arguments = OPTIONS[option]
    assert run(main, [*arguments, name]) == 1
    assert Path(name).read_bytes() == before
    assert "itself" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["", "model.onnx"], ids=["bundle", "file of it"])
@pytest.mark.parametrize("target", ["model.onnx", "passport.json", "link.json"])
@pytest.mark.parametrize("option", ["stc-track --json", "stc-track --jsonl", "stc-bench --json", "stc-bench --html"])
def test_no_output_goes_over_a_file_of_the_model(
    option: str, target: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tiny_model.write_bundle(tmp_path / "bundle")
    clip = encode(tmp_path / "clip.mkv", steady(2))
    (bundle / "link.json").symlink_to("model.onnx")
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    command, _, flag = option.partition(" ")
    model, output = str(bundle / named), str(bundle / target)
    if command == "stc-track":
        code = run(track, [str(clip), "--model", model, flag, output])
    else:
        code = run(bench, [model, "--source", str(clip), flag, output])
    assert code == 1
    assert "choose another output" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


@pytest.mark.parametrize("more", [[], ["--ray", "local"]], ids=["turns", "fleet"])
def test_names_that_stc_chooses_go_over_no_file_of_the_model(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several inputs the outputs are called after them, and a video may be called passport."""
    bundle = tiny_model.write_bundle(tmp_path / "bundle")
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    clips = [str(encode(tmp_path / name, steady(2))) for name in ("a.mkv", "passport.mkv")]
    assert run(track, [*clips, "--model", str(bundle), "--json", str(bundle), "--overwrite", *more]) == 1
    assert "passport.json: is the input itself" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


@pytest.mark.parametrize("given", ["--ckpt lite.safetensors", "--onnx bundle/model.onnx"])
def test_a_timing_cache_is_no_file_that_the_export_reads(
    given: str, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(inputs)
    option, name = given.split()
    for target in {name, "bundle/passport.json"} if option == "--onnx" else {name}:
        before = Path(target).read_bytes()
        assert run(export, [option, name, "--timing-cache", target]) == 1
        assert f"{target}: is an input itself" in capsys.readouterr().err
        assert Path(target).read_bytes() == before
