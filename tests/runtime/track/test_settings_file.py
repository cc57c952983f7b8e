"""Settings from a TOML file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stc.cli import Parser, run
from stc.errors import InputError
from stc.runtime.track import main as command
from stc.runtime.track.main import parser
from stc.runtime.track.settings_file import parse
from tests.installs import ROOT
from tests.runtime.track.track_cli import give_source, written
from tests.runtime.video.clips import BrightSession, make_frame


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("etc").mkdir()
    return tmp_path


def settings(text: str, *argv: str) -> dict[str, object]:
    Path("etc/gate.toml").write_text(text, encoding="utf-8")
    return vars(parse(parser(), ["--config", "etc/gate.toml", *argv]))


def test_the_example_of_the_documents_runs_from_another_folder(
    here: Path, sessions: list[BrightSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/pipelines.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    Path("etc/gate.toml").write_text(example, encoding="utf-8")
    Path("etc/zones.json").write_text('{"door": {"line": [[10, 0], [10, 40]]}}')
    Path("etc/gate.jsonl").write_text('{"an": "earlier line"}\n')
    give_source(monkeypatch, lambda: iter([make_frame(0), make_frame(1)]), live=True, length=None)
    assert run(command.main, ["--config", "etc/gate.toml"]) == 0
    assert (sessions[0].options["score_threshold"], sessions[0].options["classes"]) == (0.5, ("person", "car"))
    lines = Path("etc/gate.jsonl").read_text().splitlines()
    assert len(lines) == 3 and "earlier" in lines[0] and "door" in lines[1]
    assert written(here) == ["etc/gate.jsonl", "etc/gate.toml", "etc/zones.json"]


def test_every_option_can_be_set_and_means_what_it_means_on_the_command_line(here: Path) -> None:
    """With a value of its own for each, found in its help: an option that is added later is in this test."""
    lines, words = [], []
    for name, option in parser().long_options().items():
        if name == "config":
            continue
        if option.nargs == 0:
            lines.append(f"{name} = true")
            words.append(f"--{name}")
            continue
        value = {int: 7, float: 0.25}.get(option.type, list(option.choices)[-1] if option.choices else "cpu")  # type: ignore[call-overload]
        lines.append(f"{name} = {value!r}")
        placed = here / "etc" / value if option.type is Path or name == "model" else value
        words.append(f"--{name}={placed}")
    from_file = settings("\n".join(lines), "a.mp4")
    by_hand = vars(parser().parse_args([*words, "a.mp4", "--config", "etc/gate.toml"]))
    assert {k: resolved(v) for k, v in from_file.items()} == {k: resolved(v) for k, v in by_hand.items()}


def test_a_port_may_be_a_number() -> None:
    found = settings('serve = 8080\nmetrics = "0.0.0.0:9100"', "a.mp4")
    assert (found["serve"], found["metrics"]) == ("8080", "0.0.0.0:9100")


def resolved(value: object) -> object:
    return Path(value).resolve() if isinstance(value, (Path, str)) else value


def test_the_command_line_wins_and_its_inputs_replace_those_of_the_file() -> None:
    text = 'inputs = ["a.mp4", 0]\nmodel = "m"\nevery = 3\nappend = true\ntrust = false\ngive-up = 5\nclasses = "a,b"\n'
    found = settings(text)
    assert (found["input"], found["every"], found["append"], found["trust"]) == (["etc/a.mp4", "0"], 3, True, False)
    assert (found["give_up"], found["classes"]) == (5.0, "a,b")
    found = settings(text, "c.mp4", "--every", "2", "--no-append", "--trust", "--model", "other")
    assert (found["input"], found["every"], found["append"], found["trust"]) == (["c.mp4"], 2, False, True)
    assert found["model"] == "other"


def test_relative_paths_are_of_the_folder_of_the_file() -> None:
    text = """
inputs = ["a.mp4", "/b.mp4", "rtsp://cam/1", "2", "@list.txt", "/dev/video0"]
model = "../m"
jsonl = "-"
output = "out/x.mp4"
contact = "/c.png"
"""
    found = settings(text)
    assert found["input"] == ["etc/a.mp4", "/b.mp4", "rtsp://cam/1", "2", "@etc/list.txt", "/dev/video0"]
    assert (found["model"], found["jsonl"]) == ("etc/../m", Path("-"))
    assert (found["output"], found["contact"]) == (Path("etc/out/x.mp4"), Path("/c.png"))


SECRET = "rtsp://user:hunter2@cam/live?token=hunter2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('scoer = 0.5', "'scoer' is no setting (did you mean score?)"),
        ('input = "a.mp4"', "'input' is no setting (did you mean inputs?)"),
        ("give_up = 3", "'give_up' is no setting (did you mean give-up?)"),
        ('config = "b.toml"', "'config' is no setting"),
        ("help = true", "'help' is no setting"),
        ("[track]\nevery = 2", "'track' is no setting"),
        (f"'{SECRET}' = 1", "is no setting"),
        ('every = "2"', "every: found text '2', where a whole number belongs"),
        ("every = 2.5", "every: found a number 2.5, where a whole number belongs"),
        ("every = true", "every: found true, where a whole number belongs"),
        (f'every = "{SECRET}"', "every: found text 'rtsp://***@cam/live?***', where a whole number belongs"),
        (f'every = "rtsp://user:{"hunter2" * 20}@cam"', "every: found text 'rtsp://***@cam'"),
        (f'every = ["{SECRET}"]', "every: found an array, where a whole number belongs"),
        (f"threads = 0x{'f' * 10_000}", "threads: found a number beyond 64 bits"),
        (f"inputs = [0x{'f' * 10_000}]", "inputs: found a number beyond 64 bits"),
        ('score = "high"', "score: found text 'high', where a number belongs"),
        ("append = 1", "append: found a whole number 1, where true or false belongs"),
        ("model = 1979-05-27", "model: found a date or time"),
        ("jsonl = {a = 1}", "jsonl: found a table, where text belongs"),
        ('model = ""', "model: found '', where text belongs"),
        ('output = "a\\u0000b"', "output: found 'a\\x00b', where text belongs"),
        ("inputs = [true]", "inputs: found true, where text belongs"),
        (f'inputs = ["{SECRET}", []]', "inputs: found an array, where text belongs"),
        ('classes = ["a", 1]', "classes: found a whole number 1, where text belongs"),
        ('tracker = "best"', "tracker: argument --tracker: invalid choice: 'best'"),
        (f'tracker = "{SECRET}"', "tracker: argument --tracker: invalid choice: 'rtsp://***@cam"),
        ('device = "tpu"', "device: unknown device 'tpu'"),
        ("model = model-fp16", "TOML cannot use it (TOMLDecodeError: Invalid value (at line 1, column 9))"),
        ("a = 1\nevery = 1\nevery = 2\n", "(at line 3, column 10)"),
        ("a = " + "[" * 100_000, "TOML cannot use it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_key_and_no_secret(
    text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("etc/gate.toml").write_text(text, encoding="utf-8")
    assert run(command.main, ["--config", "etc/gate.toml"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: etc/gate.toml: ") and told in shown and shown.count("\n") == 1
    assert "hunter2" not in shown


def test_a_file_that_cannot_be_read_is_refused(here: Path) -> None:
    Path("large.toml").write_bytes(b"#" * (1 << 21))
    Path("latin.toml").write_bytes(b"model = '\xff'")
    for name, told in (
        ("none.toml", "No such file"),
        ("etc", "no file of settings"),
        ("large.toml", "no file of"),
        ("latin.toml", "UnicodeDecodeError"),
    ):
        with pytest.raises(InputError, match=f"^{name}: .*{told}"):
            parse(parser(), ["--config", name])


def test_what_neither_says_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gate.toml").write_text("every = 2")
    assert run(command.main, ["--config", "gate.toml"]) == 1
    assert "arguments are required: INPUT, --model; see" in capsys.readouterr().err


def test_a_parser_of_any_options_is_served() -> None:
    other = Parser(prog="other")
    other.add_argument("input", nargs="*")
    other.add_argument("--config", type=Path)
    other.add_argument("--quiet", action="store_true")
    for text in ("true", "false"):
        Path("etc/gate.toml").write_text(f"quiet = {text}")
        assert parse(other, ["--config", "etc/gate.toml"]).quiet is (text == "true")
