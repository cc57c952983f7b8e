"""What is asked of a broker, and what an address of one says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

from stc.errors import InputError
from stc.runtime.video.shown import redact

PORTS = {"mqtt": 1883, "redis": 6379}
ANSWER = 5.0  # seconds that a broker gets to answer


class Broker(Protocol):
    """A connection. It is used by one thread, and not again after an error."""

    def deliver(self, messages: Sequence[bytes]) -> None:
        """Returns once the broker has said that it has all of them, in this order. Raises InputError when it did not;
        it may have some."""
        ...

    def close(self) -> None:
        """Raises nothing."""
        ...


@dataclass(frozen=True)
class Address:
    """`shown` is fit for messages; `place` is the topic or stream."""

    scheme: str
    host: str
    port: int
    place: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    shown: str = ""


def parse(url: str) -> Address:
    """`mqtt://user:password@host:1883/topic` or `redis://…/stream`; what is special in a URL is %-encoded.

    Raises InputError, without the password.
    """
    shown = redact(url) if "://" in url else re.sub(r".*@", "***@", url)
    example = "give one such as: mqtt://HOST:1883/TOPIC or redis://HOST:6379/STREAM"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError(f"--publish {shown}: no address; {example}") from None
    place = unquote(parts.path.strip("/"))
    if parts.scheme not in PORTS:
        raise InputError(f"--publish {shown}: neither mqtt:// nor redis://; {example}")
    if not parts.hostname or not place or parts.query or parts.fragment or port == 0:
        raise InputError(f"--publish {shown}: needs a host and a topic or stream, and nothing else; {example}")
    if parts.scheme == "mqtt" and (re.search(r"[+#\0]", place) or len(place.encode()) > 65_535):
        raise InputError(f"--publish {shown}: + and # are for who subscribes, not for a topic; {example}")
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    return Address(parts.scheme, parts.hostname, port or PORTS[parts.scheme], place, user or None, password, shown)
