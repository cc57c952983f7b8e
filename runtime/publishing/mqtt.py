"""MQTT, quality of service 1: every message is acknowledged, and sent again when it was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from stc.boundary import foreign
from stc.errors import InputError, MissingDependencyError
from stc.runtime.publishing.broker import ANSWER, Address, Broker

FIX = "see whether the broker runs, and who may publish there: mosquitto -v"
GLANCE = 0.1  # seconds between two looks whether the connection is still there


def connector(address: Address) -> Callable[[], Broker]:
    try:
        from paho.mqtt import client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise MissingDependencyError(
            f"paho-mqtt is not installed ({error}); fix: pip install 'stc-trt[mqtt]'"
        ) from error

    def connect() -> Broker:
        # It does not connect again by itself: what was in flight is then sent again by us, in its order.
        return Mqtt(client.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False), address)

    return connect


class Mqtt:
    def __init__(self, client: Any, address: Address) -> None:
        self._client, self._address = client, address
        answers: SimpleQueue[Any] = SimpleQueue()
        client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.put(reason)
        client.connect_timeout = ANSWER
        client.max_inflight_messages_set(0)  # as many as are given at a time
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        try:
            with foreign("MQTT", address.shown, FIX):
                client.connect(address.host, address.port)
            client.loop_start()
            reason = answers.get(timeout=ANSWER)
        except Empty:
            self.close()
            raise InputError(f"{address.shown}: no MQTT broker answers; {FIX}") from None
        if reason.is_failure:
            self.close()
            raise InputError(f"{address.shown}: the broker refused ({reason}); {FIX}")

    def deliver(self, messages: Sequence[bytes]) -> None:
        with foreign("MQTT", self._address.shown, FIX):
            sent = [self._client.publish(self._address.place, message, qos=1) for message in messages]
            for one in sent:
                until = monotonic() + ANSWER
                while not one.is_published():
                    if not self._client.is_connected() or monotonic() > until:
                        raise ConnectionError("the connection was lost")
                    one.wait_for_publish(GLANCE)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
