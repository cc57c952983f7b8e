"""What the page tells of each input: how it comes in, what is seen now, what was counted."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import Any

from stc.runtime.serving.feed import Feed


def health(feed: Feed) -> dict[str, Any]:
    """As JSON can hold it.

    name; state (`State`; "waiting" for its turn); frames that were tracked; fps of the last ones; since, seconds since
    the last one; time, seconds in the video, and size (W, H) of the last one; tracks: confirmed ones in it, by class;
    tracks_begun: so far; zones as in `Result.to_dict`, without events; and what `Stats` counts.
    """
    now = feed.now
    told: dict[str, Any] = {
        "name": feed.name,
        "state": _state(feed),
        "frames": 0 if now is None else now.number,
        "fps": round(feed.fps, 2),
        "since": None if now is None else round(monotonic() - now.at, 2),
        "time": None if now is None else round(now.frame.time, 3),
        "size": None if now is None else list(now.frame.image.shape[1::-1]),
        "tracks": {} if now is None else dict(Counter(now.result.tracks().names)),
        "tracks_begun": feed.tracks,
        "zones": [] if now is None else [_counts(report.to_dict()) for report in now.result.zones],
    }
    if feed.watched is not None:
        stats = feed.watched.stats
        told |= {name: getattr(stats, name) for name in ("dropped", "gaps", "reconnects", "decode_errors")}
    return told


def _state(feed: Feed) -> str:
    if feed.watched is not None:
        return feed.watched.state
    return "opening" if feed.now is None else "live"


def _counts(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name != "events"}
