"""Identities over time: which detection of this frame is which object of the frames before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from sys import float_info
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.tracking.bank import NO_TRACK, TrackBank
from stc.runtime.tracking.config import RuleName, TrackerConfig
from stc.runtime.tracking.detections import Detections
from stc.runtime.tracking.published import CROSSVIS, IDOL, MASKTRACK, QDTRACK
from stc.runtime.tracking.rules import Match, Rule, match_default

_OTHER = "choose the rule 'default' (--tracker default)"
RULES: dict[RuleName, Rule] = {
    "default": Rule(match_default),
    "crossvis": CROSSVIS,
    "masktrack": MASKTRACK,
    "qdtrack": QDTRACK,
    "idol": IDOL,
}


@dataclass(frozen=True)
class TrackEvent:
    """Something that happened to a confirmed track at `time` seconds.

    "born": confirmed; from now on `handle` is known to be `track_id`, in earlier frames too. "lost": not seen in this
    frame. "recovered": seen again. "ended": forgotten, the id never comes back.
    """

    kind: Literal["born", "lost", "recovered", "ended"]
    track_id: int
    handle: int
    time: float


@dataclass(frozen=True, eq=False)
class TrackUpdate:
    """Per detection, in the order given: `track_ids` (-1 while unconfirmed) and `handles` (-1 for none), int64 (n,)."""

    track_ids: NDArray[np.int64]
    handles: NDArray[np.int64]
    events: tuple[TrackEvent, ...]


class Tracker:
    """The tracks of one video. One thread at a time; all state is allocated at the first frame.

    Track ids start at 1 and are given at confirmation, handles start at 0 and are given at first sight; neither is
    given twice, and neither appears twice in a frame. An unconfirmed tracklet is given up, without an event, at the
    first frame that misses it.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        config = config or TrackerConfig()
        self.rule = RULES[config.rule]
        self.config = replace(config, **self.rule.settings)
        self.time: float | None = None  # of the last update, seconds
        self._bank: TrackBank | None = None
        self._next_id = 1
        self._next_handle = 0

    def update(self, detections: Detections, time: float) -> TrackUpdate:
        """Match the detections of the frame shown at `time` seconds.

        The order of the detections is of no consequence (of equal scores the earlier goes first). Raises InputError
        when `time` is not finite or before the previous one, or the embeddings have another length than before; nothing
        has changed then.
        """
        self.check(detections, time)
        if self._bank is None:
            self._bank = TrackBank(
                self.config.capacity,
                detections.embeddings.shape[1],
                looks=_looks(detections) if self.config.appearance_weight else 0,
                recent=self.rule.recent,
                with_backdrops=self.rule.with_backdrops,
            )
        bank = self._bank
        order = np.argsort(-detections.scores, kind="stable")
        ranked = _usable(detections[order])
        events = self._expire(bank, time)
        match = self.rule.match(ranked, bank, self.config)
        events += self._seen(bank, match, ranked, time)
        slots, ended = self._start(bank, match, ranked, time)
        events += ended
        events += self._confirm(bank, slots, ranked, time)
        if match.backdrops is not None:
            bank.backdrops.replace(ranked[match.backdrops])
        self.time = time

        # The slot -1 (no track) reads the last slot; what it reads is overwritten.
        track_ids = np.empty(len(order), np.int64)
        handles = np.empty(len(order), np.int64)
        track_ids[order] = np.where(slots >= 0, bank.track_ids[slots], NO_TRACK)
        handles[order] = np.where(slots >= 0, bank.handles[slots], NO_TRACK)
        return TrackUpdate(track_ids, handles, tuple(events))

    def check(self, detections: Detections, time: float) -> None:
        """Raises what `update` would; changes nothing."""
        self.check_time(time)
        length = detections.embeddings.shape[1]
        if self._bank is not None and length != (before := self._bank.embeddings.shape[1]):
            raise InputError(f"embeddings of length {length} after {before}")
        if self._bank is not None and (known := self._bank.appearance.shape[1]) not in (0, _looks(detections)):
            raise InputError(f"appearances of length {_looks(detections)} after {known}")
        if self.rule.needs_embeddings and length == 0:
            raise InputError(f"tracker rule {self.config.rule!r} needs embeddings, which this model lacks; {_OTHER}")
        if self.rule.needs_masks and detections.masks is None:
            raise InputError(
                f"tracker rule {self.config.rule!r} compares masks; give Detections with masks, or {_OTHER}"
            )

    def check_time(self, time: float) -> None:
        """Raises InputError when `time` is no finite number or before the last frame's."""
        if not _is_finite(time) or (self.time is not None and time < self.time):
            raise InputError(f"frame times must not go back: {time!s:.60} s after {self.time} s")

    def close(self) -> tuple[TrackEvent, ...]:
        """Forget all tracks and return their "ended" events, at the time of the last frame."""
        bank, self._bank = self._bank, None
        if bank is None or self.time is None:
            return ()
        return tuple(self._events("ended", bank, (bank.track_ids >= 0).nonzero()[0], self.time))

    def _expire(self, bank: TrackBank, time: float) -> list[TrackEvent]:
        """Forget lost tracks past `max_age`. One seen in the previous frame gets its chance, however old."""
        old = bank.lost & (time - bank.last_seen > self.config.max_age)
        if self.rule.patience is not None:
            old |= bank.lost & (bank.missing >= self.rule.patience)
        return self._forget(bank, old.nonzero()[0], time)

    def _seen(self, bank: TrackBank, match: Match, ranked: Detections, time: float) -> list[TrackEvent]:
        """Carry the matched tracks forward and mark the others as lost."""
        matched = (match.slots >= 0).nonzero()[0]
        slots = match.slots[matched]
        missed = bank.active.copy()
        missed[slots] = False
        events = self._events("recovered", bank, slots[bank.lost[slots]], time)
        events += self._events("lost", bank, (missed & ~bank.lost & (bank.track_ids >= 0)).nonzero()[0], time)
        bank.lost[:] = missed
        bank.missing += missed
        bank.observe(slots, ranked[matched], time, self.config.momentum, relabel=not self.rule.keeps_label)
        bank.free((missed & (bank.track_ids < 0)).nonzero()[0])
        return events

    def _start(
        self, bank: TrackBank, match: Match, ranked: Detections, time: float
    ) -> tuple[NDArray[np.int64], list[TrackEvent]]:
        """Start a tracklet for each birth that finds a slot: slots of all detections, and who ended to make room."""
        births = match.births.nonzero()[0]
        slots = match.slots.copy()
        if not len(births):
            return slots, []
        free = (~bank.active).nonzero()[0]
        lost = bank.lost.nonzero()[0]
        room = np.concatenate((free, lost[np.argsort(bank.last_seen[lost], kind="stable")]))[: len(births)]
        events = self._forget(bank, room[len(free) :], time)
        births = births[: len(room)]
        handles = np.arange(self._next_handle, self._next_handle + len(births))
        self._next_handle += len(births)
        bank.start(room, ranked[births], handles, time)
        slots[births] = room
        return slots, events

    def _confirm(self, bank: TrackBank, slots: NDArray[np.int64], ranked: Detections, time: float) -> list[TrackEvent]:
        tracked = (slots >= 0).nonzero()[0]
        seen = slots[tracked]
        ready = (bank.hits[seen] >= self.config.confirm_hits) | (ranked.scores[tracked] >= self.config.instant_score)
        ready |= (bank.hits[seen] > 1) & (time - bank.first_seen[seen] >= self.config.confirm_time)
        born = seen[ready & (bank.track_ids[seen] < 0)]
        bank.track_ids[born] = np.arange(self._next_id, self._next_id + len(born))
        self._next_id += len(born)
        return self._events("born", bank, born, time)

    def _forget(self, bank: TrackBank, slots: NDArray[np.int64], time: float) -> list[TrackEvent]:
        events = self._events("ended", bank, slots, time)
        bank.free(slots)
        return events

    @staticmethod
    def _events(
        kind: Literal["born", "lost", "recovered", "ended"], bank: TrackBank, slots: NDArray[np.int64], time: float
    ) -> list[TrackEvent]:
        pairs = zip(bank.track_ids[slots].tolist(), bank.handles[slots].tolist(), strict=True)
        return [TrackEvent(kind, track_id, handle, time) for track_id, handle in pairs]


def _usable(detections: Detections) -> Detections:
    """Vectors that are not finite become zero: they match nothing, instead of spoiling every sum they enter."""
    look = detections.appearance
    return replace(
        detections,
        embeddings=_finite(detections.embeddings),
        appearance=None if look is None else _finite(look),
    )


def _finite(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    finite = np.all(np.isfinite(vectors), axis=1)
    return vectors if finite.all() else np.where(finite[:, None], vectors, np.float32(0))


def _looks(detections: Detections) -> int:
    return 0 if detections.appearance is None else detections.appearance.shape[1]


def _is_finite(value: Any) -> bool:
    """Whether it is a number that float64 holds: no NaN, no text, no integer of a thousand digits."""
    return isinstance(value, (int, float, np.integer, np.floating)) and bool(-float_info.max <= value <= float_info.max)
