"""Redis: a message is an entry of a stream, with the field `json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stc.boundary import foreign
from stc.errors import MissingDependencyError
from stc.runtime.publishing.broker import ANSWER, Address, Broker

FIX = "see whether the server runs, and who may write there: redis-cli ping"
FIELD = "json"


def connector(address: Address) -> Callable[[], Broker]:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise MissingDependencyError(f"redis is not installed ({error}); fix: pip install 'stc-trt[redis]'") from error

    def connect() -> Broker:
        return Redis(
            redis.Redis(
                address.host, address.port, username=address.user, password=address.password, socket_timeout=ANSWER,
                socket_connect_timeout=ANSWER, retry=Retry(NoBackoff(), 0),  # we do, and count
            ),
            address,
        )  # fmt: skip

    return connect


class Redis:
    def __init__(self, client: Any, address: Address) -> None:
        self._client, self._address = client, address
        with foreign("Redis", address.shown, FIX):
            client.ping()

    def deliver(self, messages: Sequence[bytes]) -> None:
        with foreign("Redis", self._address.shown, FIX):
            pipe = self._client.pipeline(transaction=False)
            for message in messages:
                pipe.xadd(self._address.place, {FIELD: message})
            pipe.execute()

    def close(self) -> None:
        self._client.close()
