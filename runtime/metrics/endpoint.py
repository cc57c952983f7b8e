"""The page that Prometheus reads, made anew for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stc.runtime.metrics.exposition import CONTENT_TYPE
from stc.runtime.serving.server import Handler, serving

PATH = "/metrics"


@contextmanager
def metrics_page(address: str, page: Callable[[], str]) -> Iterator[str]:
    """Give what `page` returns at `/metrics` of `address` (port 0: a free one) until the block ends; yields the URL.

    `page` is called in threads of its own. Raises InputError where the address is none, or taken.
    """

    class Scraped(Handler):
        def answer(self, path: str) -> None:
            if path == PATH:
                self.send(page().encode(), CONTENT_TYPE)
            else:
                self.send_error(404, explain=f"see {PATH}")

    with serving("--metrics", address, Scraped) as server:
        yield server.url + PATH
