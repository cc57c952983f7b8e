"""Real brokers on the loopback: mosquitto and redis-server, started, stopped and started again; and who reads there."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

USER, PASSWORD = "gate", "s3cr/t@x"
QUOTED = "s3cr%2Ft%40x"
PLACE = "site/gate"
WAIT = 30.0  # seconds: a limit, never a duration


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Server:
    """A broker that keeps what it has when it is stopped."""

    scheme = program = package = client = ""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip(self.client, reason=f"pip install 'stc-trt[{self.scheme}]'")
        self.path = shutil.which(self.program, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/bin")
        if self.path is None:
            pytest.skip(f"no {self.program}: apt-get install {self.package}")
        self.folder, self.port = folder, free_port()
        self.prepare()

    def prepare(self) -> None: ...

    def command(self) -> list[str]:
        raise NotImplementedError

    def read(self, count: int) -> list[bytes]:
        """What was published, in its order, once there are `count` different messages."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"{self.scheme}://{USER}:{QUOTED}@127.0.0.1:{self.port}/{PLACE}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        until = monotonic() + WAIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:  # noqa: PERF203
                assert self.process.poll() is None and monotonic() < until, (self.folder / "log").read_text()
                sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT)


class Mosquitto(Server):
    scheme, program, package, client = "mqtt", "mosquitto", "mosquitto", "paho.mqtt.client"

    def prepare(self) -> None:
        config, passwords = self.folder / "mosquitto.conf", self.folder / "passwords"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"persistence true\npersistence_location {self.folder}/\nlog_dest stderr\nuser root\n"
        )
        tool = shutil.which("mosquitto_passwd", path="/usr/bin:/usr/local/bin")
        assert tool is not None
        subprocess.run([tool, "-c", "-b", str(passwords), USER, PASSWORD], check=True, capture_output=True)

    def command(self) -> list[str]:
        return [str(self.path), "-c", str(self.folder / "mosquitto.conf")]

    def subscribe(self) -> None:
        """In a session that outlives its connection, and the broker."""
        import paho.mqtt.client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        self.found: list[bytes] = []
        self.reader: Any = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="reader", clean_session=False)
        self.reader.username_pw_set(USER, PASSWORD)
        self.reader.on_message = lambda _client, _data, message: self.found.append(message.payload)
        subscribed: list[object] = []
        self.reader.on_subscribe = lambda *_: subscribed.append(1)
        self.reader.connect("127.0.0.1", self.port)
        self.reader.subscribe(PLACE, qos=1)
        until = monotonic() + WAIT
        while not subscribed:
            assert monotonic() < until
            self.reader.loop(0.1)
        self.reader.disconnect()  # what comes now waits for it in the broker

    def read(self, count: int) -> list[bytes]:
        self.reader.connect("127.0.0.1", self.port)
        until = monotonic() + WAIT
        while len(set(self.found)) < count and monotonic() < until:
            self.reader.loop(0.1)
        self.reader.disconnect()
        return self.found


class RedisServer(Server):
    scheme, program, package, client = "redis", "redis-server", "redis-server", "redis"

    def command(self) -> list[str]:
        options = {
            "port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "save": "", "appendonly": "yes",
            "appendfsync": "always", "user": f"{USER} on ~{PLACE} +xadd +xrange +ping >{PASSWORD}",
        }  # fmt: skip
        lines = [f"{name} {value or chr(34) * 2}" for name, value in options.items()]
        (self.folder / "redis.conf").write_text("\n".join([*lines, "user default off", ""]))
        return [str(self.path), str(self.folder / "redis.conf")]

    def subscribe(self) -> None:
        """Its streams wait for nobody."""

    def read(self, count: int) -> list[bytes]:
        import redis

        with redis.Redis("127.0.0.1", self.port, username=USER, password=PASSWORD) as client:
            entries: Any = client.xrange(PLACE)
        return [fields[b"json"] for _, fields in entries]
