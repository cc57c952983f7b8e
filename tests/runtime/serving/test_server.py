"""The HTTP server behind the pages of a running command."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from stc.errors import InputError
from stc.runtime.serving import server as module
from stc.runtime.serving.server import Handler, Server, parse, serving
from tests.runtime.serving.http_client import PATIENCE, ask


class Echo(Handler):
    def answer(self, path: str) -> None:
        if path == "/bug":
            raise RuntimeError("a bug")
        self.send(path.encode(), "text/plain")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving("--echo", "0", Echo) as server:
        yield server


@pytest.mark.parametrize(
    ("given", "found"), [("9100", ("127.0.0.1", 9100)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:9100", ("::1", 9100))]
)
def test_an_address_is_a_port_or_a_host_with_one(given: str, found: tuple[str, int]) -> None:
    assert parse("--metrics", given) == found


@pytest.mark.parametrize("given", ["", "host", "host:", "65536", "-1", "9100/metrics", "²", "9" * 5000])
def test_what_is_no_address_is_said(given: str) -> None:
    with pytest.raises(InputError, match=r"--serve .*: not a port"):
        parse("--serve", given)


def test_a_busy_port_and_a_host_of_others_are_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        with pytest.raises(InputError, match=f"--serve {address}: cannot be listened at"):
            with serving("--serve", address, Echo):
                pass
    with pytest.raises(InputError, match="cannot be listened at"), serving("--serve", "192.0.2.1:9100", Echo):
        pass


def test_it_gives_what_is_asked_for_without_its_query(server: Server) -> None:
    code, headers, content = ask(f"{server.url}/a/b?c=d")
    assert (code, content) == (200, b"/a/b")
    assert headers["content-type"] == "text/plain" and headers["content-length"] == "4"
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    assert "python" not in headers["server"].lower()


def test_head_is_without_the_content_and_nothing_can_be_sent(server: Server) -> None:
    code, headers, content = ask(f"{server.url}/abc", "HEAD")
    assert (code, headers["content-length"], content) == (200, "4", b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        assert ask(server.url, method)[0] == 501


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:80", "[::1]:8080", "127.9.9.9"])
def test_names_of_the_loopback_are_answered(server: Server, host: str) -> None:
    assert ask(server.url, Host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "192.0.2.1", "[::", "localhost.evil"])
def test_a_strangers_name_that_leads_here_is_refused(server: Server, host: str) -> None:
    code, _, content = ask(f"{server.url}/secret", Host=host)
    assert code == 403 and server.url.encode() in content and b"/secret" not in content


def test_what_all_machines_reach_has_any_name() -> None:
    with serving("--echo", "0.0.0.0:0", Echo) as server:
        assert not server.local
        assert ask(server.url.replace("0.0.0.0", "127.0.0.1"), Host="gate.local:80")[0] == 200


def test_more_connections_than_it_has_room_for_are_hung_up_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 2)
    place = (server.server_name, server.server_port)
    silent = [socket.create_connection(place, PATIENCE) for _ in range(2)]
    third = socket.create_connection(place, PATIENCE)
    assert third.recv(1) == b""
    for client in (*silent, third):
        client.close()


def test_a_silent_client_is_hung_up_on_and_others_are_answered(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    place = (server.server_name, server.server_port)
    with socket.create_connection(place), ExitStack() as stack:
        assert ask(f"{server.url}/here")[2] == b"/here"
        monkeypatch.setattr(Handler, "timeout", 0.1)
        silent = stack.enter_context(socket.create_connection(place, PATIENCE))
        assert silent.recv(1) == b""


def test_a_bug_in_an_answer_is_told_and_harms_no_other(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection((server.server_name, server.server_port), PATIENCE) as client:
        client.sendall(b"GET /bug HTTP/1.0\r\n\r\n")
        assert client.recv(1) == b""
    assert ask(f"{server.url}/here")[2] == b"/here"
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, "a request could not be answered")
    ]


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200,
    ],
)  # fmt: skip
def test_noise_harms_nobody(server: Server, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection((server.server_name, server.server_port), PATIENCE) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 16):
            pass
    assert ask(f"{server.url}/here")[2] == b"/here" and not caplog.records


def test_the_end_waits_for_no_client() -> None:
    with serving("--echo", "0", Echo) as server:
        silent = socket.create_connection((server.server_name, server.server_port))
        assert ask(server.url)[0] == 200
    silent.close()
    assert not [t for t in threading.enumerate() if t.name == "stc echo" and t.is_alive()]
