"""Several videos on one model: `python many_streams.py MODEL VIDEO VIDEO …`.

One `Session` holds the model; each video has a `Stream` of its own, and a stream belongs to one thread at a time. Ids
of different streams are unrelated, so (stream, track id) is the key.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from stc.runtime import Session
from stc.runtime.video import open_source


def track(session: Session, video: str) -> set[int]:
    with open_source(video) as source:
        stream = session.stream(source.name, source.fps)
        results = (stream(frame.image, frame.time) for frame in source)
        return {int(i) for result in results for i in result.track_ids if i >= 0}


def in_threads(session: Session, videos: list[str]) -> dict[str, set[int]]:
    """Each at its own pace: what cameras need."""
    with ThreadPoolExecutor(len(videos)) as pool:
        return dict(zip(videos, pool.map(lambda video: track(session, video), videos), strict=True))


def in_step(session: Session, videos: list[str]) -> dict[str, set[int]]:
    """One frame of each per call, which the model takes as one batch: for videos that run in step."""
    sources = [open_source(video) for video in videos]
    streams = [session.stream(source.name, source.fps) for source in sources]
    ids = {video: set() for video in videos}
    for frames in zip(*sources):  # noqa: B905  (until the shortest ends)
        results = session.step(
            {stream: frame.image for stream, frame in zip(streams, frames, strict=True)},
            {stream: frame.time for stream, frame in zip(streams, frames, strict=True)},
        )
        for video, result in zip(videos, results.values(), strict=True):
            ids[video].update(int(i) for i in result.track_ids if i >= 0)
    return ids


def main(model: str, *videos: str) -> None:
    with Session(model) as session:
        for way in (in_threads, in_step):
            for video, ids in way(session, list(videos)).items():
                print(f"{way.__name__}: {video}: tracks {sorted(ids)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
