"""`stc-track --publish` to real brokers, which are stopped and started again while it runs."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.runtime.publishing import publisher
from stc.runtime.publishing.publisher import publishing
from stc.runtime.video import Frame
from tests.runtime.publishing.brokers import PASSWORD, QUOTED, WAIT, Mosquitto, RedisServer, Server
from tests.runtime.track.track_cli import Track, give_source
from tests.runtime.video.clips import encode, make_frame, steady

FRAMES = 24


@pytest.fixture(params=[Mosquitto, RedisServer], ids=["mqtt", "redis"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "broker"
    folder.mkdir()
    server: Server = request.param(folder)
    server.start()
    yield server
    server.stop()


def once_each(messages: list[bytes]) -> list[str]:
    """Without those that came again: at least once is what was promised."""
    return [message.decode() for message in dict.fromkeys(messages)]


def test_a_broker_that_goes_and_comes_back_gets_every_line_of_the_file_in_its_order(
    server: Server, tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    server.subscribe()
    missed = threading.Event()

    class Missed(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "messages wait" in record.getMessage():
                missed.set()

    monkeypatch.setattr(publisher.log, "handlers", [Missed()])

    def frames() -> Iterator[Frame]:
        for index in range(FRAMES):
            if index == 8:
                server.stop()
            if index == 16:  # some frames later, when it was missed
                assert missed.wait(WAIT)
                server.start()
            yield make_frame(index)

    give_source(monkeypatch, frames, length=FRAMES)
    (tmp_path / "url").write_text(server.url)  # where other users do not see it
    assert track("clip.mp4", "--publish", f"@{tmp_path / 'url'}", "--jsonl", tmp_path / "out.jsonl") == 0
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert len(lines) == FRAMES
    assert once_each(server.read(FRAMES)) == lines
    shown = capsys.readouterr()
    told = caplog.text + shown.out + shown.err
    assert PASSWORD not in told and QUOTED not in told
    assert f"{server.scheme}://***@127.0.0.1" in shown.out, "the summary says where results went"


@pytest.mark.parametrize("server", [RedisServer], indirect=True)
def test_several_inputs_share_a_broker_and_need_no_other_output(
    server: Server, tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clips = [encode(tmp_path / f"{name}.mp4", steady(6)) for name in ("a", "b")]
    assert track(*clips, "--publish", server.url) == 0
    assert not (tmp_path / "runs").exists()
    found = [json.loads(line) for line in once_each(server.read(12))]
    for clip in clips:
        assert [line["index"] for line in found if line["source"] == clip.name] == list(range(6))
    assert len(found) == 12


@pytest.mark.parametrize("server", [RedisServer], indirect=True)
def test_what_never_arrives_is_said_and_fails_the_command(
    server: Server, track: Track, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def frames() -> Iterator[Frame]:
        server.stop()
        yield from (make_frame(index) for index in range(5))

    monkeypatch.setattr(publisher, "ENDING", 0.1)
    give_source(monkeypatch, frames, length=5)
    assert track("clip.mp4", "--publish", server.url) == 1
    assert "***@127.0.0.1" in caplog.text and "5 messages were not delivered" in caplog.text


def test_a_wrong_password_is_said_at_once_and_not_shown(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(InputError, match=r"\*\*\*@127\.0\.0\.1") as error:
        with publishing(server.url.replace(QUOTED, "wr0ng")):
            pass
    assert "wr0ng" not in str(error.value) + caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://h/t", "mqtt:h/t", "mqtt://h", "mqtt://h/", "redis:///t", "mqtt://u:s3cret@h:port/t", "mqtt://h:0/t",
        "mqtt://h/a/+/b", "mqtt://h/a/%23", "mqtt://h/t?s3cret", "u:s3cret@h/t", "", "mqtt://[::1/t", "redis://h:99999/t",
    ],
)  # fmt: skip
def test_what_is_no_address_is_said_without_its_password(url: str) -> None:
    with pytest.raises(InputError, match=r"^--publish") as error, publishing(url):
        pass
    assert "s3cret" not in str(error.value)
